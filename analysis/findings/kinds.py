"""What kind of quantization a file has, in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from crossrt.analysis.audit.record import Stored
from crossrt.analysis.findings.quantized_file import QuantizedFile
from crossrt.analysis.onnx_graph import QUANTIZE
from crossrt.exporters.sources.onnx_weights import FLOATS

SAME: Final[Mapping[str, str]] = {
    "QLinearConv": "Conv",
    "ConvInteger": "Conv",
    "QGemm": "Gemm",
    "QLinearMatMul": "MatMul",
    "MatMulInteger": "MatMul",
    "DynamicQuantizeMatMul": "MatMul",
    "MatMulIntegerToFloat": "MatMul",
    "MatMulNBits": "MatMul",
}
"""The float operator that an operator over integers stands for."""
DYNAMIC: Final = frozenset(
    ("ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "DynamicQuantizeLSTM")
)


def plain_kind(kind: str) -> str:
    """The type of operator that something was in the float model."""
    return SAME.get(kind, kind)


def kind_of(file: QuantizedFile) -> str:
    """What kind it is: how it is written down, types and granularity of activations and weights."""
    return "; ".join((_form(file), *_parts(file)))


def _parts(file: QuantizedFile) -> Iterator[str]:
    weights = [each.weight for each in file.layers if each.weight is not None]
    if not weights and not file.of_role("weight"):
        held = Counter[str]()
        for each in file.constants:
            held[each.dtype] += 0 if each.is_parameter else each.size_bytes
        if (most := held.most_common(1)) and most[0][0] in FLOATS:
            yield f"weights in {most[0][0]}"
        return
    if activations := file.of_role("activation"):
        yield described(activations, "activations")
    elif any(each.is_dynamic for each in file.layers):
        yield "activations in 8 bits with scales chosen at every call"
    else:
        yield "activations in float"
    count = f" in {len(weights)} of {len(file.layers)} layers" if file.layers else ""
    yield described(weights or file.of_role("weight"), "weights") + count


def described(stored: Sequence[Stored], noun: str) -> str:
    """Types and granularity of tensors: `int8 weights per channel`."""
    kinds = Counter(f"{each.dtype} {noun} {granularity(each)}" for each in stored)
    return " and ".join(kind for kind, _ in kinds.most_common(3))


def granularity(stored: Stored) -> str:
    """How many values share a scale."""
    if stored.block_size:
        return f"in blocks of {stored.block_size}"
    return "per channel" if stored.affine.scale.size > 1 else "per tensor"


def _form(file: QuantizedFile) -> str:
    kinds, has_weights = file.kinds, bool(file.of_role("weight"))
    if file.format == "tflite":
        if not has_weights:
            return "TFLite, not quantized to integers"
        if any(each.source is not None for each in file.layers) or file.of_role("activation"):
            return "TFLite, static"
        return "TFLite, dynamic range or weight-only"
    if any(kind.startswith("QLinear") or kind == "QGemm" for kind in kinds):
        return "ONNX, static, integer operators (QOperator)"
    if QUANTIZE in kinds:
        return "ONNX, static, QuantizeLinear and DequantizeLinear (QDQ)"
    if kinds & DYNAMIC:
        return "ONNX, dynamic, integer operators"
    if "MatMulNBits" in kinds or "GatherBlockQuantized" in kinds:
        return "ONNX, weight-only, operators over blocks"
    return "ONNX, weight-only, DequantizeLinear" if has_weights else "ONNX, not quantized to integers"
