"""The Keras model that is trained: every step of a network with its fake quantization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import CalibrationMethod
from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.qat.graph import Dropout, Final, Input, Network, Step
from crossrt.exporters.training.qat.grid import Affine
from crossrt.exporters.training.qat.layers import FIXED, Calculation, FixedRange, Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainable:
    """A model with fake quantization, and its parts by the names of the steps.

    Attributes:
        network: What it computes.
        bits: Of weights.
        model: From inputs to `(answer, scores)`; scores are what a loss is computed from. Several answers where the
            network has several outputs, which is not trained.
        calculations: The layer of each step that is computed.
        ranges: The layer that quantizes the result of each step; steps that share a range share it.
        results: The result of each step in the model.
    """

    network: Network
    bits: int
    model: Any
    calculations: Mapping[str, Calculation]
    ranges: Mapping[str, Range | FixedRange]
    results: Mapping[str, Any]

    def integers(self, inputs: Any) -> dict[str, NDArray[np.int16]]:
        """What every quantized step computes of some samples, as the int8 of a TFLite file."""
        names = [name for name in self.ranges if name in self.results]
        found = keras.Model(self.model.inputs, [self.results[name] for name in names])(inputs, training=False)
        return {name: _integers(tensor, self.ranges[name].affine) for name, tensor in zip(names, found, strict=True)}

    @contextmanager
    def calibrating(self, method: CalibrationMethod = "moving-average") -> Iterator[None]:
        """Ranges are followed, or widened to the extremes (`minmax`), and nothing is quantized."""
        for each in self.ranges.values():
            each.keeps_extremes = method == "minmax"
        layers: list[Any] = [*self.ranges.values(), *self.calculations.values()]
        for layer in layers:
            layer.is_calibrating = True
        try:
            yield
        finally:
            for layer in layers:
                layer.is_calibrating = False

    def affine(self, step: str) -> Affine | None:
        """Scale and zero point of the result of a step, or None where it stays in float."""
        layer = self.ranges.get(step)
        return None if layer is None else layer.affine

    def begin(self) -> None:
        """Training begins with the present ranges."""
        for layer in self.ranges.values():
            if isinstance(layer, Range):
                layer.begin()

    def unmoved(self) -> tuple[str, ...]:
        """Steps whose range training did not move."""
        owners = range_owners(self.network)
        layers = {name: layer for name, layer in self.ranges.items() if isinstance(layer, Range)}
        return tuple(name for name, layer in layers.items() if owners[name] == name and not layer.has_moved)

    def check_ranges(self) -> None:
        """Refuses ranges that say nothing.

        Raises:
            ExportError: A result was always zero; the message names the layer.
        """
        for name, layer in self.ranges.items():
            if isinstance(layer, Range) and layer.is_empty:
                raise ExportError(
                    f"the range of {name} never moved: its result is 0 for every sample, so no scale follows from it;"
                    " remove the layer, or train the float model first"
                )


def _integers(tensor: Any, affine: Affine) -> NDArray[np.int16]:
    found: NDArray[np.int16] = (
        np.rint(keras.ops.convert_to_numpy(tensor) / np.float32(affine.scale)) + affine.zero_point
    ).astype(np.int16)
    return found


def build(network: Network, bits: int, seed: int, *, learns_ranges: bool = False) -> Trainable:
    """Builds the model; `seed` is that of its dropout."""
    return _Builder(network, bits, seed, learns_ranges=learns_ranges).build()


class _Builder:
    def __init__(self, network: Network, bits: int, seed: int, *, learns_ranges: bool) -> None:
        self._network, self._bits, self._seed = network, bits, seed
        self._learns_ranges = learns_ranges
        self._tensors: dict[str, Any] = {}
        self._calculations: dict[str, Calculation] = {}
        self._ranges: dict[str, Range | FixedRange] = {}
        self._grids: dict[str, Range | FixedRange | None] = {}
        self._owners = range_owners(network)
        self._made: dict[str, tuple[Range, list[str]]] = {}

    def build(self) -> Trainable:
        inputs = []
        for number, step in enumerate(self._network.steps):
            if isinstance(step.op, Input):
                inputs.append(keras.Input(step.shape, dtype=step.op.dtype, name=f"input_{step.op.place}"))
                self._add(step, [inputs[-1]])
            elif isinstance(step.op, Dropout):
                dropout = keras.layers.Dropout(step.op.rate, seed=self._seed + number, name=f"{step.name}_dropout")
                self._tensors[step.name] = dropout(self._tensors[step.inputs[0]])
                self._grids[step.name] = self._grids.get(step.inputs[0])
            else:
                self._add(step, [self._tensors[name] for name in step.inputs])
        outputs = [self._tensors[name] for name in (*self._network.outputs, self._network.scores)]
        return Trainable(
            network=self._network,
            bits=self._bits,
            model=keras.Model(inputs, outputs),
            calculations=self._calculations,
            ranges=self._ranges,
            results=self._tensors,
        )

    def _add(self, step: Step, tensors: list[Any]) -> None:
        is_quantized = step.name in self._owners
        calculation = Calculation(
            step, self._bits, self._grids.get(step.inputs[0]) if is_quantized and step.inputs else None
        )
        self._calculations[step.name] = calculation
        tensor = calculation(tensors)
        if step.range == "fixed" and isinstance(step.op, Final):
            fixed = self._ranges[step.name] = FixedRange(FIXED[step.op.kind], f"{step.name}_range")
            tensor = fixed(tensor)
        elif (owner := self._owners.get(step.name)) is not None:
            layer, members = self._range(owner)
            self._ranges[step.name] = layer
            member = members.index(step.name) if step.name in members else None
            tensor = layer(tensor, member=member, unit=calculation.unit if calculation.is_exact else None)
        self._tensors[step.name] = tensor
        self._grids[step.name] = self._ranges.get(step.name)

    def _range(self, owner: str) -> tuple[Range, list[str]]:
        """The range of a group, and the steps in it that are followed."""
        if owner not in self._made:
            steps = self._network.steps
            members = [each.name for each in steps if self._owners.get(each.name) == owner and each.range == "own"]
            self._made[owner] = (
                Range(f"{owner}_range", len(members), is_learned=self._learns_ranges),
                members,
            )
        return self._made[owner]


def range_owners(network: Network) -> dict[str, str]:
    """For each step whose range is trained: the step after which the group that shares the range is named."""
    owners: dict[str, str] = {}
    for step in network.steps:
        if step.range == "own":
            owners[step.name] = step.name
        known = [owners[name] for name in step.inputs if name in owners]
        if (step.range == "same" or isinstance(step.op, Dropout)) and known:
            owners[step.name] = known[0]
            joined = set(known[1:]) - {known[0]}  # a concatenation has one scale for all that it takes
            owners = {name: known[0] if owner in joined else owner for name, owner in owners.items()}
    return owners
