"""What is known to make ONNX Runtime's quantizer write, without a word, a file that answers wrongly, or costs more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir

from crossrt.exporters.quantizers.methods.blocks.reconstruction import remark
from crossrt.exporters.quantizers.ort.lost_activations import REMOVABLE, lost_activations
from crossrt.exporters.recipes.recipe import OnnxFloat8, OnnxFloat16, OnnxRecipe, OnnxStatic, OnnxWeightOnly
from crossrt.exporters.sources.onnx_file import read_structure
from crossrt.exporters.sources.onnx_weights import quantized_share_of, readers_of_floats

MOST_FLOAT_SHARE = 0.5
_MOST_KINDS = 4


def known_issues(recipe: OnnxRecipe, prepared: Path, quantized: Path | None = None) -> tuple[str, ...]:
    """Likely causes, should the file answer wrongly; each names its cure where there is one.

    Args:
        recipe: What was asked for.
        prepared: The model as the static quantizer saw it.
        quantized: What it wrote.
    """
    if not isinstance(recipe, OnnxStatic):
        return ()
    written = None if quantized is None else read_structure(quantized).graph
    found = list(_of_static(recipe, read_structure(prepared).graph, written))
    if quantized is not None and recipe.weight_rounding == "brecq":
        found += _of_blocks(prepared, quantized)
    return tuple(found)


def cost_issues(recipe: OnnxRecipe, prepared: Path, quantized: Path) -> tuple[str, ...]:
    """Why the file may be slow or large; none of it changes an answer.

    Args:
        recipe: What was asked for.
        prepared: The model as the static quantizer saw it.
        quantized: What it wrote.
    """
    found: list[str] = []
    if isinstance(recipe, OnnxStatic):
        found += _left_in_float(read_structure(prepared).graph)
    if isinstance(recipe, OnnxWeightOnly) and recipe.algorithm == "hqq":
        found.append(
            "ONNX Runtime unpacks weights whose zero points are not whole numbers at every call, which takes time:"
            " k-quant, gptq and rtn do without"
        )
    if isinstance(recipe, OnnxFloat8):
        found.append("for accuracy only: no CPU computes in FP8, so that weights are made float32 when it is loaded")
    if not isinstance(recipe, OnnxFloat16):
        found += _of_share(read_structure(quantized))
    return tuple(found)


def _of_share(model: onnx.ModelProto) -> Iterator[str]:
    share = quantized_share_of(model, "static")
    if share >= MOST_FLOAT_SHARE:
        return
    kinds = readers_of_floats(model)[:_MOST_KINDS]
    why = f"; {', '.join(kinds)} {'keep' if len(kinds) > 1 else 'keeps'} float weights" if kinds else ""
    told = f"only {share:.0%}" if share >= 0.01 else "less than 1%"
    yield f"{told} of the weight bytes are quantized{why}"


def _left_in_float(graph: onnx.GraphProto) -> Iterator[str]:
    if left := [node.name for node in graph.node if node.op_type == "BatchNormalization"]:
        yield f"{', '.join(left[:3])} could not be folded into the layer before and stays in float"


def _of_static(recipe: OnnxStatic, graph: onnx.GraphProto, quantized: onnx.GraphProto | None) -> Iterator[str]:
    has_removable = any(node.op_type in REMOVABLE for node in graph.node)
    reaches_below_zero = recipe.calibration_symmetric or recipe.calibrate_method == "distribution"
    if has_removable and reaches_below_zero and not (recipe.activation_symmetric or recipe.keep_removable_activations):
        yield (
            "Relu is removed while ranges are symmetric, so that nothing stops negative values: set"
            " activation_symmetric, or keep_removable_activations with qdq"
        )
    if recipe.quant_format == "qoperator":
        yield from _of_qoperator(graph, quantized)


def _of_blocks(prepared: Path, quantized: Path) -> Iterator[str]:
    """Layers that block reconstruction left out of its blocks."""
    if (said := remark(ir.load(prepared), ir.load(quantized))) is not None:
        yield said


def _of_qoperator(graph: onnx.GraphProto, quantized: onnx.GraphProto | None) -> Iterator[str]:
    yield from lost_activations(graph, quantized)
    biases = Counter(node.input[2] for node in graph.node if node.op_type in ("Conv", "Gemm") and len(node.input) > 2)
    if shared := [name for name, count in biases.items() if name and count > 1]:
        yield f"qoperator uses the bias {shared[0]} twice with one scale: give each layer its own, or use qdq"
