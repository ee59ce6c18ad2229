"""What is known to make ONNX Runtime's quantizer write a file that answers wrongly, without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx

from crossrt.exporters.recipes.recipe import OnnxRecipe, OnnxStatic

_REMOVABLE = ("Relu", "Clip")


def hazards(recipe: OnnxRecipe, prepared: Path) -> tuple[str, ...]:
    """Likely causes, should the file turn out wrong; each names its cure."""
    return tuple(_of_static(recipe, onnx.load(prepared).graph)) if isinstance(recipe, OnnxStatic) else ()


def _of_static(recipe: OnnxStatic, graph: onnx.GraphProto) -> Iterator[str]:
    has_removable = any(node.op_type in _REMOVABLE for node in graph.node)
    reaches_below_zero = recipe.calibration_symmetric or recipe.calibrate_method == "distribution"
    if has_removable and reaches_below_zero and not (recipe.activation_symmetric or recipe.keep_removable_activations):
        yield (
            "Relu is removed while ranges are symmetric, so that nothing stops negative values: set"
            " activation_symmetric, or keep_removable_activations with qdq"
        )
    if recipe.quant_format == "qoperator":
        yield from _of_qoperator(graph)


def _of_qoperator(graph: onnx.GraphProto) -> Iterator[str]:
    readers = Counter(name for node in graph.node for name in node.input)
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in _REMOVABLE and node.input[0] in makers and readers[node.input[0]] > 1:
            maker = makers[node.input[0]]
            yield (
                f"qoperator drops {node.op_type} behind {maker.op_type} {maker.name}, whose output others read too: use"
                " quant_format = 'qdq'"
            )
    biases = Counter(node.input[2] for node in graph.node if node.op_type in ("Conv", "Gemm") and len(node.input) > 2)
    if shared := [name for name, count in biases.items() if count > 1]:
        yield f"qoperator uses the bias {shared[0]} twice with one scale: give each layer its own, or use qdq"
