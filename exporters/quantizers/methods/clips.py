"""Clip between layers that are equalized, as that of Relu6: scales pass through it where it cuts nothing off.

Nagel et al. 2019 (section 4.1) scale through functions with `f(s x) = s f(x)`, and put Relu in the place of Relu6 for
that. That leaves the function as it is only where no value reaches the upper limit, which is looked at here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from crossrt.exporters.quantizers.methods.bias_correction import Feeds
from crossrt.exporters.quantizers.methods.layers import array, is_constant
from crossrt.exporters.quantizers.methods.sessions import tensors_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenClip:
    """A Clip from 0 to a limit, and what the calibration samples give it.

    Attributes:
        node: The Clip.
        limit: Its upper limit.
        largest: The largest value that it takes.
    """

    node: ir.Node
    limit: float
    largest: float

    @property
    def cuts(self) -> bool:
        """Whether it cuts anything off at its upper limit."""
        return self.largest > self.limit

    def __str__(self) -> str:
        name = self.node.name or self.node.outputs[0].name
        return f"Clip {name} cuts off at {self.limit:g} what reaches {self.largest:.3g} in the calibration samples"


def seen_clips(model: ir.Model, feeds: Feeds) -> list[SeenClip]:
    """All Clips from 0 to a constant limit, with the largest value of each over the calibration samples.

    Raises:
        ExportError: ONNX Runtime cannot run the model.
    """
    limits = [(node, limit) for node in model.graph if (limit := _limit(node)) is not None]
    if not limits:
        return []
    names = [node.inputs[0].name or "" for node, _ in limits if node.inputs[0] is not None]
    largest = [float("-inf")] * len(names)
    for values in tensors_of(model, names, feeds()):
        largest = [max(most, float(each.max(initial=most))) for most, each in zip(largest, values, strict=True)]
    pairs = zip(limits, largest, strict=True)
    return [SeenClip(node=node, limit=limit, largest=most) for (node, limit), most in pairs]


def _limit(node: ir.Node) -> float | None:
    """The upper limit of a Clip whose lower one is 0; None for anything else."""
    if node.op_type != "Clip" or len(node.inputs) < 3:
        return None
    lower, upper = node.inputs[1:3]
    if not (is_constant(lower) and is_constant(upper)) or float(array(lower).reshape(())) != 0:
        return None
    return float(array(upper).reshape(()))


def make_relus(nodes: Sequence[ir.Node]) -> None:
    """Puts a Relu in the place of each Clip: once channels are scaled, one limit for all would cut off too much."""
    for node in nodes:
        graph, result = node.graph, node.outputs[0]
        assert graph is not None
        relu = ir.node("Relu", [node.inputs[0]], name=node.name)
        name = result.name
        relu.outputs[0].shape, relu.outputs[0].type = result.shape, result.type
        graph.insert_before(node, relu)
        ir.convenience.replace_all_uses_with(result, relu.outputs[0])
        graph.remove(node, safe=True)
        relu.outputs[0].name = name
