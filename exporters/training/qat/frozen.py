"""A trained network in integers: what both files are written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossrt.exporters.training.qat.graph import Floats, Step
from crossrt.exporters.training.qat.grid import Affine


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenWeights:
    """Weights of a step in integers.

    Attributes:
        integers: Of the kernel, int8, output channels last (a depthwise kernel is `(height, width, channels)`).
        scales: One for each output channel.
        bias: int32; its scale is that of the input times that of the channel.
    """

    integers: NDArray[np.int8]
    scales: Floats
    bias: NDArray[np.int32]

    def kernel(self, shape: tuple[int, ...]) -> Floats:
        """The real weights, exactly, in a shape."""
        return (self.integers.astype(np.float32) * self.scales).reshape(shape)

    def bias_scales(self, source: Affine) -> Floats:
        """Scale of each bias, as converters round it."""
        scales: Floats = np.float32(source.scale) * self.scales
        return scales


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenStep:
    """A step whose numbers are settled.

    Attributes:
        step: What is computed.
        affine: How its result is quantized, or None where it stays in float.
        weights: Of a step that has some.
    """

    step: Step
    affine: Affine | None
    weights: FrozenWeights | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A whole network; dropout is gone.

    Attributes:
        steps: By name, in order.
        outputs: Names of those that are outputs.
        bits: Of weights.
    """

    steps: Mapping[str, FrozenStep]
    outputs: tuple[str, ...]
    bits: int

    def source(self, step: Step) -> FrozenStep:
        """What gives a step its first input."""
        return self.steps[step.inputs[0]]
