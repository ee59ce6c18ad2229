"""Learning how the weights of a block are rounded, all together, so that the block's output is off least.

Source: Li et al., "BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction" (ICLR 2021),
equation 10 with all of its Fisher weights 1, which need the loss that the model was trained with. The rounding is that
of Nagel et al. 2020 ("Up or Down?", equations 22 to 24; see `adaround`), which the paper takes over (section 3.4):
minibatches of samples, Adam, and a pull to 0 or 1 that begins after a fifth of the steps. Other than there, learning
begins half way to the rounding that the file has, which is that of `adaround` for each layer alone: from the exact
weights it fitted a dense network to 1,000 samples and was worse than `adaround` on others.
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
_RATE: Final = 0.02
_LAMBDA: Final = 2.0
"""Weight of the regularizer, relative to the block's error when rounded to the nearest, per weight of an output."""

_BATCH: Final = (32, 256)
"""Least and most samples of a minibatch."""

_ROWS: Final = 4_096
"""About so many rows of a block's output a minibatch has: gradients of few are noise that rounding is learned from."""

_NEAR: Final = 0.05
_TOGETHER: Final = 32
"""Samples that are computed together, also of a minibatch that is larger: what lies between their layers should fit
into caches. The CNN's minibatches of 256 images take 80 ms instead of 119."""


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
    def outputs(self) -> int:
        """How many channels the layer gives."""
        return int(self.exact.shape[0] * self.exact.shape[1])

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

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self._examples)

    @property
    def values(self) -> int:
        """How many values of the output a sample has."""
        return int(self._examples.goals[0].size)

    def total(self, weights: Mapping[str, Array]) -> float:
        """Mean over all samples of the squared error, summed over the values of the output."""
        found = 0.0
        for places in _parts(np.arange(self.samples)):
            off, _ = self._apart(weights, places)
            found += float(np.square(off).sum(dtype=np.float64))
        return found / self.samples

    def gradients(self, weights: Mapping[str, Array], places: Array) -> dict[str, Array]:
        """Gradients by the weights, by name, of the mean error of some samples."""
        scale, found = self._block.end.scale, {name: np.zeros_like(each) for name, each in weights.items()}
        by_result = np.float32(2 / len(places)) * (np.float32(1) if scale is None else scale)
        for part in _parts(places):
            off, tape = self._apart(weights, part)
            for name, gradient in tape.gradients(self._block.end.name, off * by_result, weights).items():
                found[name] += gradient
        return found

    def _apart(self, weights: Mapping[str, Array], places: Array) -> tuple[Array, Tape]:
        """How far outputs are from their goals, and the computation."""
        taken = _rows(self._examples.inputs[places]).astype(np.float32)
        tape = self._program.run({**weights, self._block.start.name: taken})
        found = self._block.end.decoded(tape.values[self._block.end.name])
        return found - _rows(self._examples.goals[places]), tape


def _parts(places: Array) -> list[Array]:
    return [places[start : start + _TOGETHER] for start in range(0, len(places), _TOGETHER)]


def _rows(values: Array) -> Array:
    """`(samples, rows of a sample, ...)` as rows."""
    return np.reshape(values, (-1, *values.shape[2:]))


class _Rounding:
    """The learned rounding of one layer, which begins half way between its exact weights and those of the file."""

    def __init__(self, weights: Weights) -> None:
        self._weights, grid, layer = weights, weights.grid, weights.layer
        scaled = weights.exact.astype(np.float64) / grid.scale + grid.zero_point
        below = np.floor(scaled)
        stored = np.clip(layer.matrices(layer.values).astype(np.float64) - below, _NEAR, 1 - _NEAR)
        self._below = below.astype(np.float32)
        self._state = inverse((scaled - below + stored) / 2)
        self._mean, self._square = np.zeros_like(self._state), np.zeros_like(self._state)
        self._scale = np.broadcast_to(grid.scale, (*scaled.shape[:2], 1)).astype(np.float32)
        self._zero_point = np.asarray(grid.zero_point, np.float32)
        self._share, self._slope = rectified(self._state)

    def soft(self) -> Array:
        """Weights that lie between two integers, as far as it is open which one they become."""
        grid = self._weights.grid
        codes = np.clip(self._below + self._share, grid.low, grid.high)
        return self._weights.layer.from_matrices((codes - self._zero_point) * self._scale)

    def step(self, gradient: Array, steps: int, done: int) -> None:
        """One step of Adam, given the gradient by the weights in the layout of the file."""
        grid, outputs = self._weights.grid, self._scale.size
        codes = self._below + self._share
        is_inside = (codes >= grid.low) & (codes <= grid.high)
        by_share = self._weights.layer.matrices(gradient) * self._scale * is_inside
        found = (by_share + pull(self._share, done / steps, _LAMBDA / outputs)) * self._slope
        self._mean += np.float32(0.1) * (found - self._mean)
        self._square += np.float32(0.001) * (found**2 - self._square)
        root = np.sqrt(self._square * np.float32(1 / (1 - 0.999**done))) + np.float32(1e-12)
        self._state -= np.float32(_RATE / (1 - 0.9**done)) * self._mean / root
        self._share, self._slope = rectified(self._state)

    def hard(self) -> Array:
        """Integers `(groups, outputs, inputs)`."""
        grid = self._weights.grid
        return np.asarray(np.clip(self._below + (self._share >= 0.5), grid.low, grid.high), np.int64)


def learn(error: BlockError, layers: Sequence[Weights], steps: int) -> list[Array] | None:
    """Integers for the weights of each layer, or None where none better than those of the file are found.

    Args:
        error: Of the block.
        layers: Its layers; the integers that the file has now are where learning begins.
        steps: Steps of the descent, a minibatch each.
    """
    before = [each.layer.matrices(each.layer.values).astype(np.int64) for each in layers]
    nearest = [each.grid.nearest(each.exact) for each in layers]
    unit = np.float32(max(error.total(_named(layers, nearest)), float(np.finfo(np.float32).tiny)))
    roundings = [_Rounding(each) for each in layers]
    rows = max(1, error.values // layers[-1].outputs)
    batch = int(np.clip(_ROWS // rows, *_BATCH))
    for done, places in enumerate(_minibatches(error.samples, batch, steps), start=1):
        found = error.gradients({each.name: one.soft() for each, one in zip(layers, roundings, strict=True)}, places)
        for each, one in zip(layers, roundings, strict=True):
            one.step(found[each.name] / unit, steps, done)
    after = [each.hard() for each in roundings]
    return after if error.total(_named(layers, after)) < error.total(_named(layers, before)) else None


def _named(layers: Sequence[Weights], integers: Sequence[Array]) -> dict[str, Array]:
    return {each.name: each.of(found) for each, found in zip(layers, integers, strict=True)}


def _minibatches(samples: int, size: int, steps: int) -> Iterator[Array]:
    """Places of samples, each of which comes once before any comes again."""
    generator, left = np.random.default_rng(0), np.empty(0, np.int64)
    for _ in range(steps):
        if len(left) < min(size, samples):
            left = np.concatenate([left, generator.permutation(samples)])
        yield left[:size]
        left = left[size:]
