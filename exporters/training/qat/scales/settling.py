"""Scales moved by up to some percent, so that every runtime rounds alike where it would otherwise be a matter of taste.

Runtimes add quantized tensors in different arithmetic: ONNX Runtime in float32, XNNPACK and the kernels of TFLite in
fixed point with multipliers of about 20 bits. They disagree where a sum lies close to the middle between two integers.
With inputs whose scales are multiples of an odd fraction of the output's, `n / 101`, every exact sum is a multiple of
1/101 and so at least 1/202 away from any middle: far more than what any of these arithmetic leaves open.

A float32 input is divided by its scale in ONNX Runtime and multiplied by the reciprocal in XNNPACK. A scale whose
reciprocal is a float32 number, almost exactly, gives the same in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from crossrt.exporters.training.qat.graph import Input, Scaling, Step, Sum
from crossrt.exporters.training.qat.grid import Affine, nearest, with_clean_reciprocal
from crossrt.exporters.training.qat.layers import Range
from crossrt.exporters.training.qat.model import Trainable, range_owners

PARTS: Final = 101
"""Odd: the scale of a sum in parts of which the scales of its inputs are multiples."""
_LEAST_MULTIPLE: Final = 8
"""Below it, rounding a scale up to a multiple costs too much of it."""
_TOLERANCE: Final = 1e-3


def settle(trainable: Trainable) -> None:
    """Moves the ranges; those that were moved before stay as they are."""
    _Settling(trainable).run()


@contextmanager
def settled(trainable: Trainable) -> Iterator[None]:
    """Ranges as they will be in the files; afterwards as they were, so that small steps of a training add up."""
    layers = [each for each in trainable.ranges.values() if isinstance(each, Range)]
    before = [each.ends for each in layers]
    settle(trainable)
    try:
        yield
    finally:
        for layer, ends in zip(layers, before, strict=True):
            layer.ends = ends


class _Settling:
    def __init__(self, trainable: Trainable) -> None:
        self._trainable, self._network = trainable, trainable.network
        self._owners = range_owners(trainable.network)
        self._settled: set[str] = set()

    def run(self) -> None:
        for layer in self._trainable.ranges.values():
            if isinstance(layer, Range):
                layer.settle()
        steps = self._network.steps
        bounded = [each.name for each in steps if each.relu is not None and np.isfinite(each.relu)]
        self._settled |= {self._owners[name] for name in bounded if name in self._owners}  # its end is the bound
        for step in steps:
            if isinstance(step.op, Input | Scaling) and self._can_move(owner := self._owners.get(step.name)):
                self._move(owner, float(with_clean_reciprocal(self._affine(owner).scale)))
        for step in steps:
            if isinstance(step.op, Sum):
                self._sum(step)

    def _sum(self, step: Step) -> None:
        """The result's scale follows an input whose scale is settled; other inputs then follow the result's."""
        result, inputs = self._owners.get(step.name), [self._owners.get(name) for name in step.inputs]
        if result is None or None in inputs:
            return
        if self._can_move(result):
            fixed = next((each for each in inputs if not self._can_move(each)), None)
            scale = self._affine(result).scale
            if fixed is not None:
                source = self._affine(fixed).scale
                multiple = np.floor(PARTS * source / scale + _TOLERANCE)
                scale = source * PARTS / multiple if multiple >= _LEAST_MULTIPLE else scale
            self._move(result, scale)
        scale = self._affine(result).scale
        for each in inputs:
            multiple = np.ceil(PARTS * self._affine(each).scale / scale - _TOLERANCE)
            if self._can_move(each) and multiple >= _LEAST_MULTIPLE:
                self._move(each, scale * multiple / PARTS)

    def _layer(self, owner: str) -> Range:
        layer = self._trainable.ranges[owner]
        assert isinstance(layer, Range)
        return layer

    def _affine(self, owner: str | None) -> Affine:
        assert owner is not None
        return self._layer(owner).affine

    def _can_move(self, owner: str | None) -> bool:
        return owner is not None and owner not in self._settled

    def _move(self, owner: str | None, scale: float) -> None:
        assert owner is not None
        self._settled.add(owner)
        layer, before = self._layer(owner), self._affine(owner)
        scale = float(nearest(scale))
        if scale != before.scale:
            layer.move(Affine(scale=scale, zero_point=_zero_point(before, scale)))


def _zero_point(before: Affine, scale: float) -> int:
    """Where zero lies when the ends of a range stay where they are, or a little outside."""
    return int(np.clip(np.rint(-before.low / scale), 0, 255)) - 128
