"""What some nodes of a graph get otherwise than the others: activations of 16 bits, weights with scales per channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.execution_providers.qnn.mixed_precision_overrides_utils import (
    MixedPrecisionTensorQuantOverridesFixer,
)
from onnxruntime.quantization.tensor_quant_overrides import TensorQuantOverridesHelper

from crossrt.exporters.recipes.recipe import OnnxStatic


def overrides_of(recipe: OnnxStatic, prepared: Path) -> dict[str, Any]:
    """Options for tensors that are quantized otherwise than the recipe says of all.

    Args:
        recipe: Names the nodes.
        prepared: The model as the quantizer sees it.
    """
    if not (recipe.nodes_to_16_bit or recipe.nodes_per_channel):
        return {}
    model = onnx.load(prepared)
    found = (_wide(recipe, model) if recipe.nodes_to_16_bit else {}) | _per_channel(recipe, model)
    return {"TensorQuantOverrides": found}


def _wide(recipe: OnnxStatic, model: onnx.ModelProto) -> dict[str, list[dict[str, Any]]]:
    """Gives the outputs of some nodes, and with them what they read, 16 bits; conversions go between."""
    wide = {name for node in model.graph.node if node.name in recipe.nodes_to_16_bit for name in node.output if name}
    overrides = TensorQuantOverridesHelper({name: [{"quant_type": QuantType.QUInt16}] for name in sorted(wide)})
    fixer = MixedPrecisionTensorQuantOverridesFixer.create_from_model(overrides, model, QuantType.QUInt8)
    fixer.apply(default_activation_qtype=QuantType.QUInt8, default_activation_symmetric=recipe.activation_symmetric)
    return dict(overrides.get_dict())


def _per_channel(recipe: OnnxStatic, model: onnx.ModelProto) -> dict[str, list[dict[str, Any]]]:
    """Gives the weights of some nodes a scale for each output channel."""
    ranks = {each.name: len(each.dims) for each in model.graph.initializer}
    chosen = [node for node in model.graph.node if node.name in recipe.nodes_per_channel]
    taken = [(node, node.input[1]) for node in chosen if len(node.input) > 1 and node.input[1] in ranks]
    return {name: [{"axis": axis}] for node, name in taken if (axis := _channel_axis(node, ranks[name])) is not None}


def _channel_axis(node: onnx.NodeProto, rank: int) -> int | None:
    """Where output channels lie in the weights of a layer; None for other operators."""
    if node.op_type == "Gemm":
        return 0 if any(each.name == "transB" and each.i for each in node.attribute) else 1
    return {"Conv": 0, "ConvTranspose": 1, "MatMul": rank - 1}.get(node.op_type)
