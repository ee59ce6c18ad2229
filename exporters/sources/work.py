"""Multiply-accumulates of a model file for one sample, layer by layer, counted from the shapes in its graph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.errors import ModelError

Family = Literal["convolution", "product", "recurrence"]

_PLACES: Final[Mapping[str, tuple[Family, int, int]]] = {
    **dict.fromkeys(("Conv", "FusedConv", "NhwcFusedConv", "ConvInteger", "ConvTranspose"), ("convolution", 0, 1)),
    "QLinearConv": ("convolution", 0, 3),
    **dict.fromkeys(("MatMul", "Gemm", "FusedMatMul", "FusedGemm", "MatMulInteger"), ("product", 0, 1)),
    **dict.fromkeys(("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulNBits"), ("product", 0, 1)),
    **dict.fromkeys(("QLinearMatMul", "QGemm"), ("product", 0, 3)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), ("recurrence", 0, 1)),
}
"""Operators of ONNX with MACs: the family, and which inputs are the data and the weights."""

UNKNOWN: Final = frozenset(
    ("Einsum", "Attention", "MultiHeadAttention", "GroupQueryAttention", "QAttention", "DynamicQuantizeLSTM")
)
"""Operators of ONNX with MACs that are not counted."""

_TFLITE: Final[Mapping[str, tuple[Family, int, int]]] = {
    "CONV_2D": ("convolution", 0, 1),
    "DEPTHWISE_CONV_2D": ("convolution", 0, 1),
    "CONV_3D": ("convolution", 0, 1),
    "TRANSPOSE_CONV": ("convolution", 2, 1),
    "FULLY_CONNECTED": ("product", 0, 1),
    "BATCH_MATMUL": ("product", 0, 1),
}

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """An operator with MACs, for one sample.

    Attributes:
        operator: Its type.
        name: The node, or the tensor that it makes.
        family: What it computes.
        macs: Multiply-accumulates.
        inputs: Elements of its data.
        outputs: Elements of its result.
        weights: Elements of what it is multiplied with; 0 where that is data as well, which `inputs` count then.
    """

    operator: str
    name: str
    family: Family
    macs: int
    inputs: int
    outputs: int
    weights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The layers of a file in the order of the graph, the operators whose work is not known, and other ones of ONNX."""

    layers: tuple[Layer, ...]
    uncounted: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        """Of all layers."""
        return sum(each.macs for each in self.layers)


def count_work(artifact: ModelArtifact, dimensions: Mapping[str, int]) -> Counted:
    """Counts the MACs of a file for one sample.

    Args:
        artifact: The file.
        dimensions: Sizes of dynamic dimensions other than the batch.

    Raises:
        ModelError: It is damaged, or shapes cannot be inferred.
    """
    return _of_onnx(artifact, dimensions) if artifact.format == "onnx" else _of_tflite(artifact.path)


def _of_onnx(artifact: ModelArtifact, dimensions: Mapping[str, int]) -> Counted:
    from crossrt.exporters.sources.onnx_file import read_structure
    from crossrt.exporters.sources.onnx_memory import inferred_shapes

    model = read_structure(artifact.path)
    known = inferred_shapes(model, artifact.batching, dimensions)
    if known is None:
        raise ModelError(f"{artifact.path.name}: ONNX's shape inference fails on it, so its MACs cannot be counted")
    constants = {each.name: tuple(each.dims) for each in model.graph.initializer}
    shapes = {name: shape for name, (_, shape) in known.items()} | constants
    fixed = set(constants) | {
        node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constants
    }
    layers, uncounted = [], []
    for node in model.graph.node:
        if node.op_type in _PLACES:
            found = _onnx_layer(node, shapes, fixed)
            layers += [found] if found is not None else []
            uncounted += [] if found is not None else [node.op_type]
        elif node.op_type in UNKNOWN:
            uncounted.append(node.op_type)
    others = (node.op_type for node in model.graph.node if node.op_type not in _PLACES and node.op_type not in UNKNOWN)
    return Counted(layers=tuple(layers), uncounted=tuple(dict.fromkeys(uncounted)), others=tuple(dict.fromkeys(others)))


def _onnx_layer(node: Any, shapes: Mapping[str, Shape], fixed: set[str]) -> Layer | None:
    family, data, weights = _PLACES[node.op_type]
    attributes = {each.name: each for each in node.attribute}
    taken, made = shapes.get(node.input[data]), shapes.get(node.output[0])
    weight = shapes.get(node.input[weights]) if len(node.input) > weights else None
    if node.op_type == "MatMulNBits":
        weight = (attributes["K"].i, attributes["N"].i)
    if family == "recurrence":
        recurrent = shapes.get(node.input[2])
        weight = None if weight is None or recurrent is None else (math.prod(weight) + math.prod(recurrent),)
        made = made if made is not None else taken
    if taken is None or made is None or weight is None:
        return None
    if family == "convolution":
        base = taken if node.op_type == "ConvTranspose" else made
        macs = math.prod(base) * math.prod(weight[1:])
    elif family == "recurrence":
        macs = math.prod(taken[:2]) * weight[0]
    else:
        is_turned = "transA" in attributes and attributes["transA"].i
        macs = math.prod(made) * (taken[0] if is_turned else taken[-1])
    is_fixed = node.input[weights] in fixed
    return Layer(
        operator=node.op_type,
        name=node.name or node.output[0],
        family=family,
        macs=macs,
        inputs=math.prod(taken) + (0 if is_fixed else math.prod(weight)),
        outputs=math.prod(made),
        weights=math.prod(weight) if is_fixed else 0,
    )


def _of_tflite(path: Path) -> Counted:
    from ai_edge_litert import schema_py_generated as schema

    from crossrt.exporters.sources.tflite_file import choose_signature, read_tflite

    read_tflite(path)  # says what is wrong with a damaged one
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    signatures = [model.SignatureDefs(number) for number in range(model.SignatureDefsLength())]
    chosen, _ = choose_signature([each.SignatureKey().decode() for each in signatures])
    graph = model.Subgraphs(signatures[chosen].SubgraphIndex() if chosen is not None else 0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
    return Counted(layers=tuple(_tflite_layers(model, graph, names)))


def _tflite_layers(model: Any, graph: Any, names: Mapping[int, str]) -> Iterator[Layer]:
    widened: set[int] = set()  # weights that are made floats while the model is loaded
    for place in range(graph.OperatorsLength()):
        node = graph.Operators(place)
        code = model.OperatorCodes(node.OpcodeIndex())
        kind = names.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "")
        if kind == "DEQUANTIZE" and _is_constant(model, graph.Tensors(node.Inputs(0))):
            widened.add(node.Outputs(0))
        if kind not in _TFLITE:
            continue
        family, data, weights = _TFLITE[kind]
        taken, weight = (_shape(graph.Tensors(node.Inputs(each))) for each in (data, weights))
        result = graph.Tensors(node.Outputs(0))
        made, operand = _shape(result), node.Inputs(weights)
        is_fixed = operand in widened or _is_constant(model, graph.Tensors(operand))
        yield Layer(
            operator=kind,
            name=(result.Name() or b"").decode(errors="replace").split(";")[0],
            family=family,
            macs=_tflite_macs(kind, taken, weight, made),
            inputs=math.prod(taken) + (0 if is_fixed else math.prod(weight)),
            outputs=math.prod(made),
            weights=math.prod(weight) if is_fixed else 0,
        )


def _is_constant(model: Any, tensor: Any) -> bool:
    buffer = tensor.Buffer()
    return bool(buffer and (model.Buffers(buffer).DataLength() or model.Buffers(buffer).Size()))


def _tflite_macs(kind: str, taken: Shape, weight: Shape, made: Shape) -> int:
    """Weights lie as output, height, width, input; those of a depthwise convolution as 1, height, width, output."""
    if kind == "DEPTHWISE_CONV_2D":
        return math.prod(made) * math.prod(weight[1:3])
    if kind == "CONV_3D":
        return math.prod(made) * math.prod(weight[:4])
    if kind == "TRANSPOSE_CONV":
        return math.prod(taken) * math.prod(weight[:3])
    if kind == "BATCH_MATMUL":
        return math.prod(made) * taken[-1]
    return math.prod(made) * math.prod(weight[1:])


def _shape(tensor: Any) -> Shape:
    return tuple(int(tensor.Shape(place)) for place in range(tensor.ShapeLength()))
