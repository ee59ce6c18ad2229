"""What the sessions of the shipped adapters share: specs, the check of feeds, and the context manager."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import numpy as np

from crossrt.core.artifact import ModelArtifact, TensorSpec
from crossrt.runtimes.errors import SessionClosedError
from crossrt.runtimes.feeds import at_batch_size, refusal
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.protocol import Feeds, SessionOptions


class BaseSession(ABC):
    """Specs as shown to the user, and feeds checked against them."""

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        self._artifact = artifact
        self._options = options
        self.inputs: tuple[TensorSpec, ...] = at_batch_size(artifact.inputs, options.batch_size, options.io)
        self.outputs: tuple[TensorSpec, ...] = at_batch_size(artifact.outputs, options.batch_size, options.io)
        self._expected = [(spec.name, np.dtype(spec.dtype), spec.shape) for spec in self.inputs]

    def profile(self, calls: int) -> Profile | None:  # noqa: ARG002 - for those that can
        """Nothing is known; a subclass that can tell does."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Releases the model; the subclass drops its native handle."""

    def _check(self, feeds: Feeds) -> None:
        """Raises `InputRefusedError` where feeds do not fit. This is in the timed path: what fits passes quickly."""
        try:
            for name, dtype, shape in self._expected:
                feed = feeds[name]
                if feed.dtype is not dtype or feed.shape != shape:
                    break
            else:
                if len(feeds) == len(self._expected):
                    return
        except (KeyError, TypeError, AttributeError, IndexError):
            pass  # not a mapping to arrays: said below
        if (problem := refusal(feeds, self.inputs)) is not None:
            raise problem

    def _closed(self) -> SessionClosedError:
        return SessionClosedError(f"the session of {self._artifact.id} is closed: prepare a new one")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
