"""The contract between crossrt and a runtime: `Runtime` makes a `Session`, a `Session` runs tensors.

The pair is ONNX's `Backend` and `BackendRep`: a factory and a handle. What was not prepared cannot be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self, get_args

from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.errors import OptionRefusedError
from crossrt.runtimes.kernels import Profile

Feeds = Mapping[str, NDArray[Any]]
Outputs = dict[str, NDArray[Any]]
IoMode = Literal["float32", "native"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """Every knob that moves a number; it means the same on each runtime.

    Attributes:
        batch_size: The one batch size that the session runs; memory is planned for it.
        intra_op_threads: Threads that share one operator.
        inter_op_threads: Operators that may run at the same time.
        io: `float32` takes and gives float32 where the file's own type is a float or a quantized integer, so that
            variants compare end to end; `native` takes and gives the file's own types. Other types (indices, flags,
            text) are what they are in both.
        dimensions: Sizes of dynamic dimensions other than the batch, by name. Names that a model does not have are
            left aside.
        runtime_options: Options of this runtime alone, by name: for ONNX Runtime its session config entries, such as
            `session.x64quantprecision`.

    Raises:
        OptionRefusedError: A value is out of range.
    """

    batch_size: int = 1
    intra_op_threads: int = 1
    inter_op_threads: int = 1
    io: IoMode = "float32"
    dimensions: Mapping[str, int] = field(default_factory=dict)
    runtime_options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("batch_size", "intra_op_threads", "inter_op_threads"):
            if getattr(self, name) < 1:
                raise OptionRefusedError(f"{name} must be at least 1; found {getattr(self, name)}")
        for name, size in self.dimensions.items():
            if size < 1:
                raise OptionRefusedError(f"the dimension {name} must be at least 1; found {size}")
        if self.io not in get_args(IoMode):
            raise OptionRefusedError(f"io must be one of {', '.join(get_args(IoMode))}; found {self.io!r}")


class Session(Protocol):
    """A loaded model at one batch size, all dimensions of its inputs fixed.

    `run` never changes its feeds, and its outputs own their memory: a later `run` does not change them.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What `run` takes: every dimension is a number."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What `run` gives; a dimension that only a run can tell is a name or None."""

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch.

        Raises:
            InputRefusedError: A feed is missing, unknown, or of another dtype or shape.
            RunFailedError: The runtime fails on these feeds, such as on an index that is out of range.
            SessionClosedError: `close` was called before.
        """

    def executed_operators(self) -> tuple[str, ...] | None:
        """The operators that this runtime really runs, in order, after its own optimisation; None if it cannot tell.

        Raises:
            SessionClosedError: `close` was called before.
        """

    def profile(self, calls: int) -> Profile | None:
        """The kernels of one call, timed over several where the runtime can; None if it cannot tell.

        Args:
            calls: How many calls may be made for it.

        Raises:
            SessionClosedError: `close` was called before.
        """

    def close(self) -> None:
        """Releases the model. Calling it again does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Runtime(Protocol):
    """A runtime that is installed and importable."""

    @property
    def name(self) -> str:
        """The name in case ids, such as `ort-cpu`."""

    @property
    def formats(self) -> tuple[ModelFormat, ...]:
        """The file formats that it reads."""

    def version(self) -> str:
        """Version of the runtime itself."""

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """Why this artifact cannot run with these options, or None where it can. Looks at nothing but the records.

        Where the format is the reason, the text names it, such as `reads onnx, not tflite`.
        """

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> Session:
        """Loads the model.

        Raises:
            ModelRefusedError: The runtime cannot load the file, or the file is not what the artifact says.
            OptionRefusedError: The batch size cannot be run, or a dynamic dimension of an input has no size.
        """
