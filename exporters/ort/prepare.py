"""Folding what the quantizers cannot see through, once for all recipes of a model."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.quantization.shape_inference import quant_pre_process

from crossrt.exporters.errors import ExportError, first_line
from crossrt.exporters.sources.onnx_file import data_files, nodes_of, read_structure, total_bytes
from crossrt.exporters.sources.onnx_inspection import bad_weight

MOST_BYTES = 2**31 - 2**20
_QUANTIZED_DOMAIN = "com.microsoft"


def working_copy(float_model: Path, folder: Path) -> Path:
    """A float model in one file; one with data files is copied into the folder as such.

    Raises:
        ExportError: It is quantized already, larger than 2 GB, or holds NaN.
    """
    model = read_structure(float_model)
    check_float(model, float_model)
    files = data_files(float_model, model)
    size = total_bytes(float_model, files)
    if size > MOST_BYTES:
        raise ExportError(
            f"{float_model.name} has {size} bytes with its weights; ONNX Runtime's quantizers take models up to 2 GB"
        )
    if (name := bad_weight(model)) is not None:
        raise ExportError(
            f"the weights {name} of {float_model.name} hold NaN or infinity: no scale can be found for them"
        )
    if not files:
        return float_model
    copy = folder / "float.onnx"
    onnx.save(onnx.load(float_model), copy)
    return copy


def prepare(float_model: Path, path: Path) -> None:
    """Writes the model with batch normalization folded, dense layers as Gemm, and shapes inferred as far as possible.

    The quantizer leaves files beside its input, so both should lie in a scratch folder.

    Raises:
        ExportError: The model is quantized already, or ONNX Runtime cannot load it.
    """
    check_float(read_structure(float_model), float_model)
    attempts: tuple[dict[str, bool], ...] = (
        {},
        {"skip_symbolic_shape": True},  # it gives up on operators such as GlobalMaxPool, Loop and custom shapes
        {"skip_symbolic_shape": True, "skip_onnx_shape": True},
        {"skip_symbolic_shape": True, "skip_optimization": True},
    )
    reasons = []
    for options in attempts:
        try:
            quant_pre_process(str(float_model), str(path), **options)
        except Exception as error:  # shape inference raises whatever it happens to hit
            reasons.append(first_line(error))
        else:
            return
    raise ExportError(f"pre-processing for quantization failed: {reasons[-1]}")


def check_float(model: onnx.ModelProto, path: Path) -> None:
    """Raises `ExportError` where a model is quantized already."""
    found = {node.op_type for node in nodes_of(model) if _is_quantized(node)}
    if found:
        raise ExportError(f"{path.name} is quantized already: it holds {', '.join(sorted(found))}")


def _is_quantized(node: onnx.NodeProto) -> bool:
    return node.op_type in (
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "QLinearConv",
        "QLinearMatMul",
        "ConvInteger",
        "MatMulInteger",
    ) or (node.domain == _QUANTIZED_DOMAIN and node.op_type.startswith(("QLinear", "MatMulNBits", "QGemm")))
