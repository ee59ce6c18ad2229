"""What an ONNX file holds: weights by dtype, and how they are quantized, as far as the file tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx

from crossrt.core.artifact import Granularity, Quantization, Representation, Role, Scheme
from crossrt.exporters.sources.onnx_file import nodes_of, weights_of

BITS: Final = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2, "float4e2m1": 4}
INTEGERS: Final = ("int8", "uint8", "int4", "uint4", "int2", "uint2", "int16", "uint16")
CODES: Final = (*INTEGERS, "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz")
"""Types of what stands for a number together with a scale."""
FLOATS: Final = ("float32", "float16", "bfloat16", "double", "float64")

_DYNAMIC = ("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "ConvInteger", "MatMulInteger")
_BLOCKS = ("MatMulNBits", "GatherBlockQuantized", "MatMulBnb4", "QMoE")
_WEIGHT_INPUTS: Final[Mapping[str, tuple[int, ...]]] = {
    "DequantizeLinear": (0,),
    "QGemm": (3,),
    "DynamicQuantizeLSTM": (1, 2),
    "DynamicQuantizeLinear": (),
    "GatherBlockQuantized": (0,),
    "QMoE": (2, 5, 8),
}
_SCALE_INPUT = {"QLinearConv": 4, "QLinearMatMul": 4, "QGemm": 4, "DequantizeLinear": 1}


def dtype_name(tensor: onnx.TensorProto) -> str:
    """The dtype of a weight, in numpy's words."""
    name = str(onnx.TensorProto.DataType.Name(tensor.data_type)).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def bytes_of(tensor: onnx.TensorProto) -> int:
    """Size of a weight, wherever its values are."""
    dtype, count = dtype_name(tensor), int(np.prod(tensor.dims, dtype=np.int64))
    if dtype in BITS:
        return -(-count * BITS[dtype] // 8)
    if dtype == "string":
        return sum(map(len, tensor.string_data))
    try:
        return count * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except KeyError:
        return len(tensor.raw_data)


def weight_bytes(model: onnx.ModelProto) -> dict[str, int]:
    """Bytes of weights by dtype, the most first."""
    found: Counter[str] = Counter()
    for tensor in weights_of(model):
        found[dtype_name(tensor)] += bytes_of(tensor)
    return dict(found.most_common())


def quantized_share(weights: Mapping[str, int]) -> float:
    """The share of weight bytes that are quantized; indices and biases (int32, int64) do not count."""
    quantized = sum(weights.get(name, 0) for name in CODES)
    total = quantized + sum(weights.get(name, 0) for name in FLOATS)
    return quantized / total if total else 0.0


def quantized_share_of(model: onnx.ModelProto, scheme: Scheme) -> float:
    """The share of the bytes of weights that are quantized, or in float16; scales and zero points do not count."""
    parameters = _parameters(model)
    floats: Counter[str] = Counter()
    for tensor in weights_of(model):
        if (dtype := dtype_name(tensor)) in FLOATS and tensor.name not in parameters:
            floats[dtype] += bytes_of(tensor)
    if scheme == "float16":
        return floats["float16"] / floats.total() if floats["float16"] else 0.0
    tensors = {each.name: each for each in weights_of(model)}
    read = {each.name: each for node in nodes_of(model) for each in _weights_read(node, tensors)}
    quantized = sum(bytes_of(each) for each in read.values() if dtype_name(each) in CODES)
    return quantized / (quantized + floats.total()) if quantized else 0.0


def readers_of_floats(model: onnx.ModelProto) -> list[str]:
    """Types of operators that read float weights, those with the most bytes first."""
    parameters = _parameters(model)
    sizes = {
        each.name: bytes_of(each)
        for each in weights_of(model)
        if dtype_name(each) in FLOATS and each.name not in parameters
    }
    found: Counter[str] = Counter()
    for node in nodes_of(model):
        if size := sum(sizes.get(name, 0) for name in node.input):
            found[node.op_type] += size
    return [kind for kind, _ in found.most_common()]


def _parameters(model: onnx.ModelProto) -> set[str]:
    """Names of scales and zero points."""
    floats = {each.name for each in weights_of(model) if dtype_name(each) in FLOATS}
    found: set[str] = set()
    for node in nodes_of(model):
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            found.update(node.input[1:3])
        elif node.op_type in _BLOCKS:
            found.update(node.input[2:4])
        elif node.op_type.startswith(("QLinear", "QGemm")):
            found.update(name for name in node.input if name in floats)  # such operators take no other floats
    return found


def float_dtype(weights: Mapping[str, int]) -> str:
    """The dtype of most float weights."""
    return max(FLOATS, key=lambda name: weights.get(name, 0))


def role_of(quantization: Quantization | None) -> Role:
    """`quantized` where weights are integers; float16 computes in float."""
    return "float" if quantization is None or quantization.scheme == "float16" else "quantized"


def quantization_of(model: onnx.ModelProto, weights: Mapping[str, int]) -> Quantization | None:
    """How a file is quantized, or None for a float one."""
    kinds = Counter(node.op_type for node in nodes_of(model))
    scheme = _scheme(kinds, weights)
    if scheme is None:
        return None
    if scheme == "float16":
        return Quantization(
            scheme="float16",
            representation="onnx",
            activation_type="float16",
            weight_type="float16",
            granularity="per-tensor",
            io_dtype=_io_dtype(model),
            quantized_share=quantized_share_of(model, scheme),
        )
    found = _Weights(model)
    return Quantization(
        scheme=scheme,
        representation=_representation(kinds),
        activation_type=_activation_type(model, scheme, found.dtypes),
        weight_type=found.weight_type or _most_integer(weights),
        granularity=found.granularity,
        symmetric_weights=found.is_symmetric,
        io_dtype=_io_dtype(model),
        quantized_share=quantized_share_of(model, scheme),
    )


def _scheme(kinds: Mapping[str, int], weights: Mapping[str, int]) -> Scheme | None:
    if any(kind.startswith(("QLinear", "QGemm", "QAttention")) for kind in kinds) or "QuantizeLinear" in kinds:
        return "static"
    if any(kind in kinds for kind in _DYNAMIC) or "MatMulIntegerToFloat" in kinds:
        return "dynamic"
    if any(kind in kinds for kind in _BLOCKS) or ("DequantizeLinear" in kinds and quantized_share(weights) > 0):
        return "weight-only"
    floats = sum(weights.get(name, 0) for name in FLOATS)
    return "float16" if floats and weights.get("float16", 0) * 2 > floats else None


def _representation(kinds: Mapping[str, int]) -> Representation:
    integer = sum(
        count
        for kind, count in kinds.items()
        if kind in _DYNAMIC or kind in _BLOCKS or kind.startswith(("QLinear", "QGemm"))
    )
    return "qoperator" if integer else "qdq"


def _io_dtype(model: onnx.ModelProto) -> str:
    known = {each.name for each in model.graph.initializer}
    values = [each for each in (*model.graph.input, *model.graph.output) if each.name not in known]
    numbers = [each.type.tensor_type.elem_type for each in values if each.type.HasField("tensor_type")]
    names = [str(onnx.helper.tensor_dtype_to_np_dtype(number)) for number in numbers]
    return next((name for name in names if name in ("int8", "uint8", "int16", "float16")), "float32")


def _most_integer(weights: Mapping[str, int]) -> str:
    return max(CODES, key=lambda name: weights.get(name, 0))


def _activation_type(model: onnx.ModelProto, scheme: Scheme, dtypes: Mapping[str, str]) -> str | None:
    if scheme == "weight-only":
        return None
    if scheme == "dynamic":
        return "uint8"
    zero_points = [
        dtypes[node.input[2]]
        for node in nodes_of(model)
        if node.op_type == "QuantizeLinear" and len(node.input) > 2 and node.input[2] in dtypes
    ]
    return Counter(zero_points).most_common(1)[0][0] if zero_points else "uint8"


class _Weights:
    """Weights that a quantized operator or a DequantizeLinear reads."""

    def __init__(self, model: onnx.ModelProto) -> None:
        tensors = {each.name: each for each in weights_of(model)}
        self.dtypes = {name: dtype_name(each) for name, each in tensors.items()}
        self.granularity: Granularity = "per-tensor"
        self.is_symmetric = True
        sizes: Counter[str] = Counter()
        for node in nodes_of(model):
            if node.op_type in _BLOCKS:
                self._add_blocks(node, sizes, tensors)
                continue
            for weight in _weights_read(node, tensors):
                if (dtype := dtype_name(weight)) in CODES:
                    sizes[dtype] += bytes_of(weight)
                    self._look_at(node, weight, tensors)
        self.weight_type = sizes.most_common(1)[0][0] if sizes else None

    def _add_blocks(self, node: onnx.NodeProto, sizes: Counter[str], tensors: Mapping[str, onnx.TensorProto]) -> None:
        bits = next((each.i for each in node.attribute if each.name == "bits"), 4)
        has_zero_points = node.op_type == "MatMulNBits" and len(node.input) > 3 and bool(node.input[3])
        size = sum(bytes_of(each) for each in _weights_read(node, tensors))
        sizes[f"uint{bits}" if has_zero_points else f"int{bits}"] += size or 1
        self.granularity, self.is_symmetric = "per-block", not has_zero_points

    def _look_at(self, node: onnx.NodeProto, weight: onnx.TensorProto, tensors: Mapping[str, onnx.TensorProto]) -> None:
        place = _SCALE_INPUT.get(node.op_type)
        scale = tensors.get(node.input[place]) if place is not None and len(node.input) > place else None
        if any(each.name == "block_size" and each.i for each in node.attribute):
            self.granularity = "per-block"
        elif scale is not None and int(np.prod(scale.dims, dtype=np.int64)) > 1 and self.granularity != "per-block":
            self.granularity = "per-channel"
        if dtype_name(weight).startswith("uint"):
            self.is_symmetric = False


def _weights_read(node: onnx.NodeProto, tensors: Mapping[str, onnx.TensorProto]) -> list[onnx.TensorProto]:
    """Constants that a node takes as quantized weights."""
    names = [node.input[place] for place in _places(node.op_type) if len(node.input) > place]
    return [tensors[name] for name in names if name in tensors]


def _places(kind: str) -> tuple[int, ...]:
    """Which inputs of an operator may be quantized weights."""
    if kind in _WEIGHT_INPUTS:
        return _WEIGHT_INPUTS[kind]
    if kind.startswith("QLinear"):
        return (3,)
    return (1,) if "Integer" in kind or "Dynamic" in kind or kind in (*_BLOCKS, "QAttention") else ()
