"""Weights of matrix products in 8 or 4 bits, by NNCF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import onnx

from crossrt.datasets.protocol import Arrays
from crossrt.exporters.quantizers.ort.matmul import name_nodes, products, split_gemms
from crossrt.exporters.recipes.library import OnnxNncfWeights

_UNABLE: Final = ("Conv", "ConvTranspose", "Gather")
"""Of these NNCF 3.4 writes weights with scales of a shape that ONNX Runtime refuses."""


def compressed(nncf: Any, float_model: Path, recipe: OnnxNncfWeights, feeds: Sequence[Arrays]) -> onnx.ModelProto:
    """The model with weights as NNCF compresses them.

    Args:
        nncf: The library.
        float_model: The float model.
        recipe: What is asked for.
        feeds: Samples by input name, one call each; empty where the recipe looks at none.
    """
    from nncf.quantization.advanced_parameters import GroupSizeFallbackMode

    model = onnx.load(float_model)
    name_nodes(model)
    split_gemms(model, recipe.nodes_to_exclude)
    has_groups = recipe.mode == "int4_sym"
    able = {node.name for node, name in products(model, recipe.nodes_to_exclude)}
    others = [node.name for node in model.graph.node if node.name not in able and node.op_type in (*_UNABLE, "MatMul")]
    # weights whose inputs a group does not divide get a smaller one, or 8 bits
    advanced = nncf.AdvancedCompressionParameters(group_size_fallback_mode=GroupSizeFallbackMode.ADJUST)
    options: dict[str, Any] = {}
    if has_groups:
        options = {"group_size": recipe.group_size, "ratio": recipe.ratio, "all_layers": recipe.all_layers}
    if feeds:
        options |= {"dataset": nncf.Dataset(feeds), "subset_size": len(feeds)}
    if recipe.awq or recipe.scale_estimation:
        options |= {"awq": recipe.awq, "scale_estimation": recipe.scale_estimation}
    found: onnx.ModelProto = nncf.compress_weights(
        model,
        mode=nncf.CompressWeightsMode(recipe.mode),
        ignored_scope=nncf.IgnoredScope(names=others, validate=False),
        advanced_parameters=advanced,
        **options,
    )
    return found
