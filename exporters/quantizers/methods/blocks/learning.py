"""Learning how the weights of a block are rounded, all together, so that the block's output is off least.

Source: Li et al., "BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction" (ICLR 2021),
equation 10 with all of its Fisher weights 1, which need the loss that the model was trained with. The rounding is that
of Nagel et al. 2020 ("Up or Down?", equations 22 to 24; see `adaround`), which the paper takes over (section 3.4):
minibatches of samples, Adam, and a pull to 0 or 1 that begins after a fifth of the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from crossrt.exporters.quantizers.methods.adaround import inverse, pull, rectified
from crossrt.exporters.quantizers.methods.blocks.cutting import Block
from crossrt.exporters.quantizers.methods.blocks.program import Program, Tape
from crossrt.exporters.quantizers.methods.grid import Grid
from crossrt.exporters.quantizers.methods.layers import Array, Layer

STEPS: Final = 1_000
BATCH: Final = 32
_RATE: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """What a block takes and should give, a row of each array for each sample.

    Attributes:
        inputs: What it takes in the quantized file, `(samples, rows of a sample, ...)`, as it is stored there.
        goals: What it gives in the float model, `(samples, rows of a sample, ...)`, float32.
    """

    inputs: Array
    goals: Array

    def __len__(self) -> int:
        """How many samples."""
        return len(self.goals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One layer of a block.

    Attributes:
        layer: The layer in the quantized file.
        exact: Its weights in the float model, `(groups, outputs, inputs)`.
        grid: Where rounded weights lie.
    """

    layer: Layer
    exact: Array
    grid: Grid

    @property
    def name(self) -> str:
        """Name of the tensor that the layer takes as its weights."""
        value = self.layer.node.inputs[1]
        assert value is not None
        return value.name or ""

    def of(self, integers: Array) -> Array:
        """Weights in the layout of the file, float32, for integers `(groups, outputs, inputs)`."""
        return self.layer.from_matrices(self.grid.values(integers)).astype(np.float32)


class BlockError:
    """The error of a block's output as a function of its weights."""

    def __init__(self, block: Block, examples: Examples) -> None:
        self._block, self._examples = block, examples
        self._program = Program(block.nodes)

    def total(self, weights: Mapping[str, Array]) -> float:
        """Mean over all samples of the squared error, summed over the values of the output."""
        found = 0.0
        for start in range(0, len(self._examples), BATCH):
            places = np.arange(start, min(start + BATCH, len(self._examples)))
            off, _ = self._apart(weights, places)
            found += float(np.square(off).sum(dtype=np.float64))
        return found / len(self._examples)

    def gradients(self, weights: Mapping[str, Array], places: Array) -> dict[str, Array]:
        """Gradients by the weights, by name, of the mean error of some samples."""
        off, tape = self._apart(weights, places)
        scale = self._block.end.scale
        by_result = off * np.float32(2 / len(places)) * (np.float32(1) if scale is None else scale)
        return tape.gradients(self._block.end.name, by_result)

    def _apart(self, weights: Mapping[str, Array], places: Array) -> tuple[Array, Tape]:
        """How far outputs are from their goals, and the computation."""
        taken = _rows(self._examples.inputs[places]).astype(np.float32)
        tape = self._program.run({**weights, self._block.start.name: taken})
        found = self._block.end.decoded(tape.values[self._block.end.name])
        return found - _rows(self._examples.goals[places]), tape


def _rows(values: Array) -> Array:
    """`(samples, rows of a sample, ...)` as rows."""
    return np.reshape(values, (-1, *values.shape[2:]))


class _Rounding:
    """The learned rounding of one layer."""

    def __init__(self, weights: Weights) -> None:
        self._weights, grid = weights, weights.grid
        scaled = weights.exact.astype(np.float64) / grid.scale + grid.zero_point
        self._below = np.floor(scaled)
        self._state = inverse(scaled - self._below)
        self._mean, self._square = np.zeros_like(self._state), np.zeros_like(self._state)
        self._scale = np.broadcast_to(grid.scale, scaled.shape).astype(np.float32)

    def soft(self) -> Array:
        """Weights that lie between two integers, as far as it is open which one they become."""
        share, _ = rectified(self._state)
        return self._weights.of(np.clip(self._below + share, self._weights.grid.low, self._weights.grid.high))

    def step(self, gradient: Array, steps: int, done: int) -> None:
        """One step of Adam, given the gradient by the weights in the layout of the file."""
        share, slope = rectified(self._state)
        grid, outputs = self._weights.grid, self._scale.shape[0] * self._scale.shape[1]
        is_inside = (self._below + share >= grid.low) & (self._below + share <= grid.high)
        by_share = self._weights.layer.matrices(gradient) * self._scale * is_inside
        found = ((by_share + pull(share, done / steps) / outputs) * slope).astype(np.float32)
        self._mean = 0.9 * self._mean + 0.1 * found
        self._square = 0.999 * self._square + 0.001 * found**2
        root = np.sqrt(self._square / (1 - 0.999**done)) + 1e-12
        self._state = self._state - _RATE / (1 - 0.9**done) * self._mean / root

    def hard(self) -> Array:
        """Integers `(groups, outputs, inputs)`."""
        grid, share = self._weights.grid, rectified(self._state)[0]
        return np.asarray(np.clip(self._below + (share >= 0.5), grid.low, grid.high), np.int64)


def learn(error: BlockError, layers: Sequence[Weights], samples: int, steps: int) -> list[Array] | None:
    """Integers for the weights of each layer, or None where none better than those of the file are found.

    Args:
        error: Of the block.
        layers: Its layers.
        samples: How many samples the error knows.
        steps: Steps of the descent, a minibatch each.
    """
    before = [each.layer.matrices(each.layer.values).astype(np.int64) for each in layers]
    start = error.total(_named(layers, before))
    unit = max(start, float(np.finfo(np.float32).tiny))
    roundings = [_Rounding(each) for each in layers]
    for done, places in enumerate(_minibatches(samples, steps), start=1):
        found = error.gradients({each.name: one.soft() for each, one in zip(layers, roundings, strict=True)}, places)
        for each, one in zip(layers, roundings, strict=True):
            one.step(found[each.name] / np.float32(unit), steps, done)
    after = [each.hard() for each in roundings]
    return after if error.total(_named(layers, after)) < start else None


def _named(layers: Sequence[Weights], integers: Sequence[Array]) -> dict[str, Array]:
    return {each.name: each.of(found) for each, found in zip(layers, integers, strict=True)}


def _minibatches(samples: int, steps: int) -> Iterator[Array]:
    """Places of samples, each of which comes once before any comes again."""
    generator, left = np.random.default_rng(0), np.empty(0, np.int64)
    for _ in range(steps):
        if len(left) < min(BATCH, samples):
            left = np.concatenate([left, generator.permutation(samples)])
        yield left[:BATCH]
        left = left[BATCH:]
