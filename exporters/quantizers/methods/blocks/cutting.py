"""The blocks of a QDQ file: what lies between points where one tensor flows and no other.

Source: Li et al., "BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction" (ICLR 2021), section
3.2: residual blocks are reconstructed as wholes, as what their layers depend on most lies inside them. A part between
two such points with several layers is a block; layers that follow each other alone are taken together, a few at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.quantizers.methods.blocks.program import unknown
from crossrt.exporters.quantizers.methods.layers import Array, Layer, array, is_constant

MOST_LAYERS: Final = 3
"""Layers of a chain without branches that are learned together. Three dense layers in 4 bits, 1,000 samples, one seed:
29.0 dB with two layers and one, 29.3 with all three, and 28.9 by AdaRound, which takes each alone. The paper's section
3.2 finds that whole networks, which are deeper, fit few samples too closely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Border:
    """A point where one tensor flows and no other.

    Attributes:
        value: The tensor: integers, or an input or output of the model in float.
        goal: Name of the tensor of the float model that it stands for.
        scale: Of the integers; None for a float tensor.
        zero_point: The integer that stands for 0; None for a float tensor.
    """

    value: ir.Value
    goal: str
    scale: np.float32 | None = None
    zero_point: np.float32 | None = None

    @property
    def name(self) -> str:
        """The tensor's name."""
        return self.value.name or ""

    def decoded(self, values: Array) -> Array:
        """What values of the tensor stand for."""
        if self.scale is None or self.zero_point is None:
            return values
        return np.asarray((values - self.zero_point) * self.scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What lies between two borders.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        nodes: What it computes, in order.
        layers: Its layers with weights that can be learned.
        unknown: Operators that hinder that it is learned as a whole.
    """

    start: Border
    end: Border
    nodes: tuple[ir.Node, ...]
    layers: tuple[Layer, ...]
    unknown: tuple[str, ...]


def blocks_of(quantized: ir.Model, layers: Iterable[Layer], goals: Collection[str]) -> list[Block]:
    """The blocks of a QDQ file, in order; nodes after the last border are in none.

    Args:
        quantized: The file.
        layers: The layers that can be learned.
        goals: Names of the tensors of the float model.
    """
    by_node = {id(each.node): each for each in layers}
    parts = list(_parts(quantized, by_node, goals))
    blocks: list[Block] = []
    chain: list[Block] = []
    for part in parts:
        is_alone = bool(part.unknown) or len(part.layers) > 1
        if chain and (is_alone or sum(len(each.layers) for each in (*chain, part)) > MOST_LAYERS):
            blocks.append(_joined(chain))
            chain = []
        chain.append(part)
        if is_alone:
            blocks.append(_joined(chain))
            chain = []
    return [*blocks, *([_joined(chain)] if chain else [])]


def _joined(parts: Sequence[Block]) -> Block:
    return Block(
        start=parts[0].start,
        end=parts[-1].end,
        nodes=tuple(node for each in parts for node in each.nodes),
        layers=tuple(layer for each in parts for layer in each.layers),
        unknown=tuple(dict.fromkeys(name for each in parts for name in each.unknown)),
    )


def _parts(quantized: ir.Model, layers: dict[int, Layer], goals: Collection[str]) -> Iterator[Block]:
    """What lies between each two borders that follow each other."""
    start: Border | None = None
    nodes: list[ir.Node] = []
    for node, live in _flow(quantized):
        nodes += [node] if node is not None else []
        border = _border(live[0], goals) if len(live) == 1 else None
        if border is None:
            continue
        if start is not None and nodes:
            found = tuple(layers[id(each)] for each in nodes if id(each) in layers)
            hindering = [name for each in nodes if (name := unknown(each)) is not None]
            yield Block(
                start=start, end=border, nodes=tuple(nodes), layers=found, unknown=tuple(dict.fromkeys(hindering))
            )
        start, nodes = border, []


def _flow(model: ir.Model) -> Iterator[tuple[ir.Node | None, list[ir.Value]]]:
    """Each node that depends on an input, with the tensors that are still needed behind it."""
    live = {id(each): each for each in model.graph.inputs if not is_constant(each) and each.uses()}
    flowing, left = set(live), Counter({key: len(value.uses()) for key, value in live.items()})
    yield None, list(live.values())
    for node in model.graph:
        taken = [each for each in node.inputs if each is not None and id(each) in flowing]
        if not taken:
            continue
        for each in taken:
            left[id(each)] -= 1
            if not left[id(each)] and not each.is_graph_output():
                live.pop(id(each), None)
        for each in node.outputs:
            flowing.add(id(each))
            left[id(each)] = len(each.uses())
            if left[id(each)] or each.is_graph_output():
                live[id(each)] = each
        yield node, list(live.values())


def _border(value: ir.Value, goals: Collection[str]) -> Border | None:
    """The border at a tensor, or None where it stands for none of the float model, or not by one scale."""
    name, maker = value.name or "", value.producer()
    if value.is_graph_input() or value.is_graph_output():
        return Border(value=value, goal=name) if name in goals else None
    if maker is None or maker.op_type != "QuantizeLinear" or maker.inputs[0] is None:
        return None
    scale, zero_point = maker.inputs[1], maker.inputs[2] if len(maker.inputs) > 2 else None
    goal = maker.inputs[0].name or ""
    if goal not in goals or not is_constant(scale) or not is_constant(zero_point) or array(scale).size != 1:
        return None
    zero = np.float32(array(zero_point).astype(np.float32).reshape(()))
    return Border(value=value, goal=goal, scale=np.float32(array(scale).reshape(())), zero_point=zero)
