"""What the sessions of the shipped adapters share: specs, closing, and the context manager."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from exporters.artifact import ModelArtifact, TensorSpec
from runtimes.errors import SessionClosedError
from runtimes.feeds import at_batch_size
from runtimes.protocol import SessionOptions


class BaseSession:
    """Specs as shown to the user, and a `close` that may be called twice."""

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        self._artifact = artifact
        self._options = options
        self.inputs: tuple[TensorSpec, ...] = at_batch_size(artifact.inputs, options.batch_size, options.io)
        self.outputs: tuple[TensorSpec, ...] = at_batch_size(artifact.outputs, options.batch_size, options.io)

    def close(self) -> None:
        """Releases the model; the subclass drops its native handle."""
        raise NotImplementedError

    def _closed(self) -> SessionClosedError:
        return SessionClosedError(f"the session of {self._artifact.id} is closed: prepare a new one")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
