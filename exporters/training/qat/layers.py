"""Keras layers that compute on integers' grids while they are trained in float."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
from keras import ops

from crossrt.exporters.training.qat.arithmetic import (
    affine_tensors,
    compute,
    fixed_activation,
    integer_bias,
    integer_kernel,
    kernel_scales,
    learned_activation,
    quantized_activation,
    quantized_kernel,
    rectified,
    rounded_activation,
)
from crossrt.exporters.training.qat.graph import Convolution, Dense, FinalKind, Island, Step
from crossrt.exporters.training.qat.grid import Affine, affine_of_range

MOMENTUM: Final = 0.99
CALIBRATING_MOMENTUM: Final = 0.9
FIXED: Final[dict[FinalKind, Affine]] = {
    "softmax": Affine(scale=2.0**-8, zero_point=-128),
    "sigmoid": Affine(scale=2.0**-8, zero_point=-128),
    "tanh": Affine(scale=2.0**-7, zero_point=0),
}
"""What TFLite's kernels prescribe."""


class Range(keras.layers.Layer):  # type: ignore[misc]
    """Quantizes tensors by the moving averages of their least and greatest values, which it follows while training.

    A learned range is that of the calibration times a power of two, whose exponent is trained: the step size is learned
    by its own gradient (LSQ; Esser et al. 2020, equation 3) and stays positive, as its logarithm is what is trained
    (TQT; Jain et al. 2020, section 3). Tensors that are concatenated share a range: that of all of them together.
    """

    def __init__(self, name: str, members: int = 1, *, is_learned: bool = False) -> None:
        super().__init__(name=name)
        self.is_learned = is_learned
        self.octaves = self.add_weight(name="octaves", shape=(), initializer="zeros", trainable=is_learned)
        self.start = self.add_weight(name="start", shape=(), initializer="zeros", trainable=False)
        self.is_calibrating = self.keeps_extremes = False
        self.low = self.add_weight(name="low", shape=(members,), initializer="zeros", trainable=False)
        self.high = self.add_weight(name="high", shape=(members,), initializer="zeros", trainable=False)
        self.seen = self.add_weight(name="seen", shape=(members,), initializer="zeros", trainable=False)

    def call(
        self,
        tensor: Any,
        training: bool | None = None,
        member: int | None = 0,
        unit: Callable[[], Any] | None = None,
    ) -> Any:
        """A tensor on its grid; while calibrating, as it is.

        Args:
            tensor: Real numbers, or accumulators where `unit` is given and nothing is trained or calibrated.
            training: Whether the range follows what it sees, and gradients are needed.
            member: Which part of the range it moves; None for none.
            unit: Gives what an accumulator counts: they are rounded as runtimes round them.
        """
        if member is not None and (self.is_calibrating or (training and not self.is_learned)):
            self._follow(tensor, member)
        if self.is_calibrating:
            return tensor
        low, high = self._ends()
        if training and self.is_learned:
            return learned_activation(tensor, low, high)
        if training:
            return quantized_activation(tensor, low, high)
        return rounded_activation(tensor, None if unit is None else unit(), *affine_tensors(low, high))

    def move(self, affine: Affine) -> None:
        """Makes its range the one that has this scale and zero point."""
        self.octaves.assign(0.0)
        self.low.assign(np.full(self.low.shape, affine.low, np.float32))
        self.high.assign(np.full(self.high.shape, affine.high, np.float32))

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values of what it is computed from."""
        return tuple(each.numpy() for each in (self.low, self.high, self.octaves))

    @ends.setter
    def ends(self, values: tuple[Any, ...]) -> None:
        for variable, value in zip((self.low, self.high, self.octaves), values, strict=True):
            variable.assign(value)

    def settle(self) -> None:
        """Puts what was learned into its ends, which are numbers that every converter finds again."""
        if float(self.octaves.numpy()):
            self.move(self.affine)

    def begin(self) -> None:
        """Remembers the scale with which training begins."""
        self.start.assign(self.affine.scale)

    @property
    def has_moved(self) -> bool:
        """Whether training has changed the scale."""
        return float(self.start.numpy()) != np.float32(self.affine.scale)

    def _ends(self) -> tuple[Any, Any]:
        low, high = ops.min(self.low.value), ops.max(self.high.value)
        if not self.is_learned:
            return low, high
        factor = ops.power(2.0, self.octaves.value)
        return factor * low, factor * high

    def scale(self) -> Any:
        """The scale of what it has seen, as a tensor."""
        return affine_tensors(*self._ends())[0]

    def _follow(self, tensor: Any, member: int) -> None:
        momentum = CALIBRATING_MOMENTUM if self.is_calibrating else MOMENTUM
        kept = ops.where(self.seen.value[member] > 0, momentum, 0.0)
        own = ops.convert_to_tensor(np.eye(self.low.shape[0], dtype=np.float32)[member])
        seen = ops.stop_gradient(tensor)
        least, greatest = ops.min(seen), ops.max(seen)
        if self.is_calibrating and self.keeps_extremes:
            kept = ops.zeros_like(kept)
            least = ops.where(self.seen.value[member] > 0, ops.minimum(least, self.low.value[member]), least)
            greatest = ops.where(self.seen.value[member] > 0, ops.maximum(greatest, self.high.value[member]), greatest)
        for variable, now in ((self.low, least), (self.high, greatest)):
            variable.assign(variable.value + own * (1 - kept) * (now - variable.value))
        self.seen.assign(self.seen.value + own)

    @property
    def affine(self) -> Affine:
        """Scale and zero point of what it has seen."""
        factor = np.exp2(self.octaves.numpy())
        return affine_of_range(float(factor * self.low.numpy().min()), float(factor * self.high.numpy().max()))

    @property
    def is_empty(self) -> bool:
        """True if nothing but zero was ever seen."""
        return not float(self.low.numpy().min()) < 0 and not float(self.high.numpy().max()) > 0

    def compute_output_spec(self, tensor: Any, **_: Any) -> Any:
        """The same shape."""
        return keras.KerasTensor(tensor.shape, "float32")


class Calculation(keras.layers.Layer):  # type: ignore[misc]
    """Computes a step; kernels are trained in float and quantized in every call, except while calibrating.

    When it is not trained, a step with weights whose result is quantized computes as runtimes do: integers in, a bias
    in integers, and accumulators out, which its range takes. Float sums of integers below 2^24 are exact.
    """

    def __init__(self, step: Step, bits: int, source: Range | FixedRange | None = None) -> None:
        super().__init__(name=f"{step.name}_step")
        self.step, self.bits, self._source = step, bits, source
        self.is_calibrating = False
        self.kernel: Any = None
        self.bias: Any = None
        self.island = step.op.layer if isinstance(step.op, Island) else None  # so that its weights are found
        if isinstance(step.op, Convolution | Dense):
            self.kernel = self._weight("kernel", step.op.kernel)
            self.bias = self._weight("bias", step.op.bias)

    def _weight(self, name: str, values: np.ndarray[Any, Any]) -> Any:
        is_constant = isinstance(self.step.op, Convolution) and self.step.op.is_constant
        return self.add_weight(
            name=name,
            shape=values.shape,
            initializer=lambda *_, **__: ops.convert_to_tensor(values),
            trainable=not is_constant,
        )

    @property
    def is_exact(self) -> bool:
        """Whether it gives accumulators when it is not trained."""
        return self.kernel is not None and self._source is not None

    def unit(self) -> Any:
        """What an accumulator of each output channel counts: the scale of the input times that of the weights."""
        assert self._source is not None
        return self._source.scale() * kernel_scales(self.kernel.value, self.bits, is_depthwise=self._is_depthwise)

    @property
    def _is_depthwise(self) -> bool:
        return isinstance(self.step.op, Convolution) and self.step.op.is_depthwise

    def call(self, tensors: Any, training: bool | None = None) -> Any:
        """The result with its activation, not yet quantized."""
        op = self.step.op
        kernel = bias = None
        if self.is_exact and not training and not self.is_calibrating:
            return self._accumulators(tensors)
        if self.kernel is not None:
            kernel = self.kernel.value
            if not self.is_calibrating:
                kernel = quantized_kernel(kernel, self.bits, is_depthwise=self._is_depthwise)
            bias = self.bias.value
        return rectified(compute(op, tensors, kernel, bias), self.step.relu)

    def _accumulators(self, tensors: Any) -> Any:
        assert self._source is not None
        integers = integer_kernel(self.kernel.value, self.bits, is_depthwise=self._is_depthwise)
        bias = integer_bias(self.bias.value, self.unit())
        found = compute(self.step.op, [tensors[0] / self._source.scale()], integers, bias)
        # the upper end of a ReLU is that of its range
        return rectified(found, None if self.step.relu is None else np.inf)

    def compute_output_spec(self, tensors: Any) -> Any:
        """Its shape is known beforehand."""
        return keras.KerasTensor((tensors[0].shape[0], *self.step.shape), "float32")


class FixedRange(keras.layers.Layer):  # type: ignore[misc]
    """Quantizes a tensor on a grid that does not depend on data."""

    def __init__(self, affine: Affine, name: str) -> None:
        super().__init__(name=name)
        self.affine = affine
        self.is_calibrating = self.keeps_extremes = False

    def scale(self) -> Any:
        """Its scale as a tensor."""
        return ops.convert_to_tensor(self.affine.scale, "float32")

    def call(self, tensor: Any) -> Any:
        """The tensor on its grid; while calibrating, as it is."""
        return tensor if self.is_calibrating else fixed_activation(tensor, self.affine)

    def compute_output_spec(self, tensor: Any) -> Any:
        """The same shape."""
        return keras.KerasTensor(tensor.shape, "float32")
