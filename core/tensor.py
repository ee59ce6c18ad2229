"""Inputs and outputs of a model: names, dtypes, shapes with named dimensions, quantization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crossrt.core.errors import one_line

Dimension = int | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output of a model, or one array of a data set.

    Attributes:
        name: The name by which feeds and outputs are keyed.
        dtype: A numpy dtype name, such as `float32` or `int8`; `str` for text.
        shape: One entry per dimension. A name is a dynamic dimension; those without a name of their own get
            `<tensor>[<axis>]`. `None` is a dimension of an output of which nothing is known.
        scale: Real value of one integer step, for integer tensors: `real = scale * (q - zero_point)`.
        zero_point: The integer that stands for 0.0, for integer tensors.
        step: Scale of the integers that a float output is made from, where the file dequantizes it last.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...]
    scale: float | None = None
    zero_point: int | None = None
    step: float | None = None

    @property
    def is_quantized(self) -> bool:
        """True if the integers stand for real numbers."""
        return self.scale is not None

    @property
    def dynamic(self) -> tuple[str, ...]:
        """Names of the dynamic dimensions, in order."""
        return tuple(size for size in self.shape if isinstance(size, str))

    def bound(self, sizes: Mapping[str, int]) -> TensorSpec:
        """The same with dimensions replaced by their sizes; names that are not among `sizes` stay."""
        return replace(
            self, shape=tuple(sizes.get(size, size) if isinstance(size, str) else size for size in self.shape)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRange:
    """Values that a model expects of an input, as far as its first layers tell.

    Attributes:
        input: Its name.
        minimum: About the smallest.
        maximum: About the largest.
        because: The layer that says so, in words.
    """

    input: str
    minimum: float
    maximum: float
    because: str


def described(spec: TensorSpec) -> str:
    """`image float32 (batch, 28, 28, 1)`, for messages."""
    sizes = ", ".join("?" if size is None else str(size) for size in spec.shape)
    return one_line(f"{spec.name} {spec.dtype} ({sizes}{',' if len(spec.shape) == 1 else ''})")


def dynamic_dimensions(specs: Sequence[TensorSpec]) -> tuple[str, ...]:
    """Names of the dynamic dimensions of several tensors, each once, in order."""
    return tuple(dict.fromkeys(name for spec in specs for name in spec.dynamic))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How samples lie in the inputs of a model.

    There are three kinds of models. A dynamic batch has the dimension `dimension`, wherever it stands. A fixed batch
    has `size` samples along axis 0 of each batched input. A model without a batch takes one sample a call, as it is.

    Attributes:
        dimension: Name of the dimension that counts samples, or None.
        size: Number of samples of a fixed batch, or None.
        axes: The axis along which samples lie, for each input that has one; inputs that are missing are the same for
            all samples of a call. Empty where the model has no batch.
    """

    dimension: str | None = None
    size: int | None = None
    axes: Mapping[str, int]

    @property
    def is_batched(self) -> bool:
        """True if a call can hold several samples, or a batch of one along an axis of its own."""
        return bool(self.axes)

    def refusal(self, batch_size: int) -> str | None:
        """Why a batch size cannot be run, or None where it can."""
        if self.dimension is not None:
            return None
        only = self.size or 1
        if batch_size == only:
            return None
        return (
            f"the model has a fixed batch of {only}: batch size {batch_size} cannot be run; use --batch {only}, or"
            " export the model with a dynamic batch dimension"
        )


def batching_of(inputs: Sequence[TensorSpec]) -> Batching:
    """How samples lie, read from the shapes of the inputs.

    The batch is the first dimension of the first input in which it is dynamic: every input that names it is batched.
    Where no first dimension is dynamic and all are the same number, that is a fixed batch; else the model has no batch.
    """
    shaped = [spec for spec in inputs if spec.shape]
    leading = [spec.shape[0] for spec in shaped]
    dimension = next((size for size in leading if isinstance(size, str)), None)
    if dimension is not None:
        return Batching(dimension=dimension, axes=_axes(inputs, dimension))
    size = leading[0] if leading else None
    if isinstance(size, int) and all(len(spec.shape) > 1 and spec.shape[0] == size for spec in shaped):
        return Batching(size=size, axes={spec.name: 0 for spec in shaped})
    return Batching(axes={})


def _axes(inputs: Sequence[TensorSpec], dimension: str) -> dict[str, int]:
    return {spec.name: spec.shape.index(dimension) for spec in inputs if dimension in spec.shape}
