"""A network as steps that runtimes fuse: what is computed, and how its result is quantized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Padding = Literal["valid", "same"]
PoolKind = Literal["max", "average"]
FinalKind = Literal["softmax", "sigmoid", "tanh"]
RangeKind = Literal["own", "same", "fixed", "none"]
"""`own` is trained; `same` is that of the inputs, which share it; `fixed` follows from the function."""
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input of the model.

    Attributes:
        place: Which one.
        dtype: Its dtype.
    """

    place: int
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution over height and width, or one of each channel by itself.

    Attributes:
        kernel: `(height, width, inputs of a group, outputs)`; `(height, width, inputs, multiplier)` where depthwise.
        bias: One for each output channel.
        strides: In height and width.
        padding: As in Keras.
        dilation: In height and width.
        is_depthwise: Whether each input channel has kernels of its own.
        is_constant: Whether its weights are those of a mean, and are not trained.
    """

    kernel: Floats
    bias: Floats
    strides: Pair
    padding: Padding
    dilation: Pair
    is_depthwise: bool
    is_constant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """A product with a matrix `(inputs, outputs)`."""

    kernel: Floats
    bias: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A factor and an offset for each channel, in float: what cannot be folded into weights."""

    factor: Floats
    offset: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """The sum of two inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concatenation:
    """Inputs behind each other along an axis, counted with the batch."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Maximum or mean of windows."""

    kind: PoolKind
    size: Pair
    strides: Pair
    padding: Padding


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalPool:
    """Maximum or mean of all places of a channel; height and width stay as ones, or go."""

    kind: PoolKind
    keeps_axes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape:
    """Another shape; the batch is left out."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad:
    """Zeros around height and width."""

    height: Pair
    width: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Nothing but the activation of its step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaky:
    """A leaky ReLU."""

    slope: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """A function at the end of a classifier, whose range is known beforehand."""

    kind: FinalKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """Present while training alone."""

    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Island:
    """A Keras layer that stays in float between quantized ones: a copy, with weights of its own."""

    layer: Any


Weighted: TypeAlias = Convolution | Dense
Op: TypeAlias = (
    Input
    | Convolution
    | Dense
    | Scaling
    | Sum
    | Concatenation
    | Pool
    | GlobalPool
    | Reshape
    | Pad
    | Identity
    | Leaky
    | Final
    | Dropout
    | Island
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something computed, and how its result is quantized.

    Attributes:
        name: Unique; the layer's, with what part of it this is.
        op: What is computed.
        inputs: Names of the steps that it takes.
        shape: Shape of its result without the batch.
        relu: Whether a ReLU follows, and its upper end: None for no ReLU, infinity for no end.
        range: How its result is quantized.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    relu: float | None = None
    range: RangeKind = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A whole model.

    Attributes:
        steps: In an order in which each follows what it takes.
        outputs: Names of the steps whose results are the outputs; one where the model is trained.
        notes: What stays in float, and what else a reader must know.
    """

    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """The output, or the first of them."""
        return self.outputs[0]

    @property
    def scores(self) -> str:
        """The step whose result a loss is computed from: what a final softmax or sigmoid takes, else the output."""
        last = self.steps[-1]
        is_squashed = last.name == self.output and isinstance(last.op, Final) and last.op.kind != "tanh"
        return last.inputs[0] if is_squashed else self.output
