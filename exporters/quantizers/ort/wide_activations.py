"""Activations of 16 bits for some nodes of a graph whose other activations have 8."""

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


def wide_activations(recipe: OnnxStatic, prepared: Path) -> dict[str, Any]:
    """Options that give the outputs of some nodes, and with them what they read, 16 bits; conversions go between.

    Args:
        recipe: Names the nodes.
        prepared: The model as the quantizer sees it.
    """
    if not recipe.nodes_to_16_bit:
        return {}
    model = onnx.load(prepared)
    wide = {name for node in model.graph.node if node.name in recipe.nodes_to_16_bit for name in node.output if name}
    overrides = TensorQuantOverridesHelper({name: [{"quant_type": QuantType.QUInt16}] for name in sorted(wide)})
    fixer = MixedPrecisionTensorQuantOverridesFixer.create_from_model(overrides, model, QuantType.QUInt8)
    fixer.apply(default_activation_qtype=QuantType.QUInt8, default_activation_symmetric=recipe.activation_symmetric)
    return {"TensorQuantOverrides": overrides.get_dict()}
