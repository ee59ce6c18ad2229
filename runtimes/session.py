"""What the sessions of the shipped adapters share: specs, the check of feeds, conversions, the context manager."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.errors import RunFailedError, SessionClosedError
from crossrt.runtimes.feeds import input_conversion, output_conversion, refusal
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.protocol import Feeds, SessionOptions
from crossrt.runtimes.specs import session_specs

_LONGEST_MESSAGE = 300


class BaseSession(ABC):
    """Specs as shown to the user, and feeds checked against them.

    Attributes:
        inputs: What `run` takes.
        outputs: What `run` gives.
        _specs: These, and the file's own at the session's sizes.
        _input_conversions: For each input, in order: how a feed becomes what the file takes, or None.
        _output_conversions: For each output, in order: how the file's output becomes what `run` gives, or None.

    Raises:
        OptionRefusedError: The batch size cannot be run, or a dimension of an input has no size.
    """

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        self._artifact = artifact
        self._options = options
        self._specs = specs = session_specs(artifact, options)
        self.inputs: tuple[TensorSpec, ...] = specs.inputs
        self.outputs: tuple[TensorSpec, ...] = specs.outputs
        self._input_conversions = tuple(map(input_conversion, specs.own_inputs, specs.inputs))
        self._output_conversions = tuple(map(output_conversion, specs.own_outputs, specs.outputs))
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

    def _failed(self, error: Exception) -> RunFailedError:
        return RunFailedError(f"{self._artifact.path.name} was loaded and cannot be run: {one_line(error)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def one_line(error: Exception) -> str:
    """A runtime's own message on one line, shortened in the middle: what counts is at its beginning and its end."""
    text = " ".join(str(error).split())
    if len(text) <= _LONGEST_MESSAGE:
        return text
    half = _LONGEST_MESSAGE // 2
    return f"{text[:half]} [...] {text[-half:]}"
