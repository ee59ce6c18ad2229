"""Folding what the quantizers cannot see through, once for all recipes of a model."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.quantization.shape_inference import quant_pre_process

from crossrt.exporters.errors import ExportError

_QUANTIZED_DOMAIN = "com.microsoft"


def prepare(float_model: Path, path: Path) -> None:
    """Writes the model with batch normalisation folded, dense layers as Gemm, and all shapes inferred.

    The quantizer leaves files beside its input, so both should lie in a scratch folder.

    Raises:
        ExportError: The model is quantized already, or pre-processing gave up.
    """
    check_float(onnx.load(float_model), float_model)
    quant_pre_process(str(float_model), str(path))
    _check_prepared(path)


def check_float(model: onnx.ModelProto, path: Path) -> None:
    """Raises `ExportError` where a model is quantized already."""
    found = {node.op_type for node in model.graph.node if _is_quantized(node)}
    if found:
        raise ExportError(f"{path.name} is quantized already: it holds {', '.join(sorted(found))}")


def _is_quantized(node: onnx.NodeProto) -> bool:
    return node.op_type in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear") or (
        node.domain == _QUANTIZED_DOMAIN and node.op_type.startswith(("QLinear", "MatMulNBits", "QGemm"))
    )


def _check_prepared(path: Path) -> None:
    """Fails where the optimiser only logged that it gave up: an unfused MatMul and Add would stay in float."""
    nodes = onnx.load(path).graph.node
    products = {output for node in nodes if node.op_type == "MatMul" for output in node.output}
    unfused = [node.name for node in nodes if node.op_type == "Add" and products & set(node.input)]
    unfused += [node.name for node in nodes if node.op_type == "BatchNormalization"]
    if unfused:
        raise ExportError(f"pre-processing left {', '.join(unfused)} unfused: these layers cannot be quantized well")
