"""Defects of ten kinds, planted in quantized files: what an audit has to find.

Each function takes sound files, a random generator and a folder, writes one defective file and says which check has to
name what. ONNX files are QDQ files as ONNX Runtime's quantizer writes them, TFLite files fully quantized ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ONNX_LAYERS = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Files of one model without defects.

    Attributes:
        onnx: A QDQ file, int8 weights per channel.
        tflite: A fully quantized TFLite file.
        float_onnx: What the ONNX file was made from.
        float_tflite: The same for TFLite.
        four_bits: An ONNX file with weights in 4 bits.
    """

    onnx: Path
    tflite: Path
    float_onnx: Path
    float_tflite: Path
    four_bits: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A defective file.

    Attributes:
        path: The file.
        check: Name of the check that has to see it.
        where: What a finding of it has to name.
        original: The float file, where the check needs it.
    """

    path: Path
    check: str
    where: str
    original: Path | None = None


Plant = Callable[[Sound, np.random.Generator, Path], Planted]


class Onnx:
    """An ONNX file that is being spoilt."""

    def __init__(self, path: Path) -> None:
        self.model = onnx.load(path)
        self.graph = self.model.graph
        self.arrays = {each.name: each for each in self.graph.initializer}
        self.makers = {name: node for node in self.graph.node for name in node.output}

    def values(self, name: str) -> np.ndarray:
        return numpy_helper.to_array(self.arrays[name])

    def put(self, name: str, values: np.ndarray) -> None:
        self.arrays[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))

    def add(self, name: str, values: np.ndarray) -> None:
        self.graph.initializer.append(numpy_helper.from_array(values, name))

    def layers(self, place: int = 1) -> list[onnx.NodeProto]:
        """Layers that take one of their inputs from a DequantizeLinear of constants."""
        found = [each for each in self.graph.node if each.op_type in ONNX_LAYERS and len(each.input) > place]
        return [each for each in found if self.dequantize(each, place) is not None]

    def shape(self, layer: onnx.NodeProto) -> tuple[int, ...]:
        """That of its weights."""
        return tuple(self.values(self.dequantize(layer, 1).input[0]).shape)

    def dequantize(self, layer: onnx.NodeProto, place: int) -> onnx.NodeProto | None:
        maker = self.makers.get(layer.input[place])
        return maker if maker is not None and maker.op_type == "DequantizeLinear" else None

    def save(self, path: Path) -> Path:
        onnx.save(self.model, path)
        return path


def plain(name: str) -> str:
    """The float name of a tensor."""
    for suffix in ("_quantized", "_DequantizeLinear_Output", "_QuantizeLinear_Input"):
        name = name.removesuffix(suffix)
    return name


class Tflite:
    """A TFLite file that is being spoilt; the schema's classes are untyped."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.tables: Any = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
        self.graph: Any = self.tables.subgraphs[0]
        kinds = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED)
        codes = [max(each.builtinCode, each.deprecatedBuiltinCode) for each in self.tables.operatorCodes]
        self.layers = [each for each in self.graph.operators if codes[each.opcodeIndex] in kinds]

    def tensor(self, index: int) -> Any:
        return self.graph.tensors[index]

    def name(self, index: int) -> str:
        name = self.tensor(index).name
        return name.decode() if isinstance(name, bytes) else str(name)

    def save(self, path: Path) -> Path:
        from flatbuffers import Builder

        builder = Builder(1024)
        builder.Finish(self.tables.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def pick(random: np.random.Generator, found: Sequence[Any]) -> Any:
    return found[int(random.integers(len(found)))]


def nothing_done(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """A float file, or one with weights in 4 bits, under the name of another."""
    case = int(random.integers(3))
    source = (sound.float_onnx, sound.float_tflite, sound.four_bits)[case]
    path = folder / f"net.int8{source.suffix}"
    shutil.copy(source, path)
    return Planted(path=path, check=("quantized weights", "quantized weights", "file name")[case], where=path.name)


def floats_left(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """A layer that stayed in float, or float weights that nothing reads any more."""
    file = Onnx(sound.onnx)
    case = int(random.integers(3))
    if case == 2:
        return _unused_in_tflite(sound, folder)
    layer = max(file.layers(), key=lambda each: file.values(file.dequantize(each, 1).input[0]).size)
    read = file.dequantize(layer, 1)
    values, scale = file.values(read.input[0]), file.values(read.input[1])
    axis = next((each.i for each in read.attribute if each.name == "axis"), 1)
    shape = [-1 if each == axis else 1 for each in range(values.ndim)] if scale.size > 1 else []
    name = f"{plain(read.input[0])}_float"
    file.add(name, (values * scale.reshape(shape)).astype(np.float32))
    if case == 1:
        return Planted(path=file.save(folder / "net.onnx"), check="unused values", where=name)
    layer.input[1] = name
    return Planted(path=file.save(folder / "net.onnx"), check="float weights", where=layer.name)


def _unused_in_tflite(sound: Sound, folder: Path) -> Planted:
    file = Tflite(sound.tflite)
    buffer, tensor = file.schema.BufferT(), file.schema.TensorT()
    buffer.data = np.frombuffer(np.ones(5000, np.float32).tobytes(), np.uint8)
    file.tables.buffers.append(buffer)
    tensor.name, tensor.shape, tensor.buffer = b"left/over", np.asarray([5000], np.int32), len(file.tables.buffers) - 1
    file.graph.tensors.append(tensor)
    return Planted(path=file.save(folder / "net.tflite"), check="unused values", where="left/over")


def placeholder_scales(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """Scale 1, or one scale in all channels."""
    is_one = bool(random.integers(2))
    if random.integers(2):
        flat = Tflite(sound.tflite)
        index = pick(random, flat.layers).inputs[1]
        how = flat.tensor(index).quantization
        how.scale = np.full(len(how.scale), 1 if is_one else 0.013, np.float32)
        return Planted(path=flat.save(folder / "net.tflite"), check="constant scales", where=flat.name(index))
    file = Onnx(sound.onnx)
    read = file.dequantize(pick(random, file.layers()), 1)
    file.put(read.input[1], np.full_like(file.values(read.input[1]), 1 if is_one else 0.013))
    return Planted(path=file.save(folder / "net.onnx"), check="constant scales", where=plain(read.input[0]))


def broken_scales(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """Zero, negative, denormal, infinite or no number; of an activation or in one channel of a weight."""
    bad = np.float32(pick(random, (0.0, -0.01, 1e-42, np.inf, np.nan)))
    if random.integers(2):
        flat = Tflite(sound.tflite)
        layer = pick(random, flat.layers)
        index = layer.inputs[1] if random.integers(2) else layer.outputs[0]
        scale = np.array(flat.tensor(index).quantization.scale, np.float32)
        scale[random.integers(scale.size)] = bad
        flat.tensor(index).quantization.scale = scale
        return Planted(path=flat.save(folder / "net.tflite"), check="scales", where=flat.name(index))
    file = Onnx(sound.onnx)
    nodes = [each for each in file.graph.node if each.op_type == "QuantizeLinear"]
    nodes += [file.dequantize(each, 1) for each in file.layers()]
    node = pick(random, nodes)
    scale = np.array(file.values(node.input[1]))
    scale.reshape(-1)[random.integers(scale.size)] = bad
    file.put(node.input[1], scale)
    return Planted(path=file.save(folder / "net.onnx"), check="scales", where=plain(node.input[0]))


def zero_points(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """Out of range so that 0.0 has no integer, or where kernels take none."""
    file = Onnx(sound.onnx)
    layers = [each for each in file.layers() if each.op_type == "Conv"]
    if random.integers(3) or not layers:
        flat = Tflite(sound.tflite)
        layer = pick(random, flat.layers)
        is_weight = bool(random.integers(2))
        index = layer.inputs[1] if is_weight else layer.outputs[0]
        how = flat.tensor(index).quantization
        how.zeroPoint = np.full(len(how.scale), 3 if is_weight else pick(random, (-200, 140, 1000)), np.int64)
        return Planted(path=flat.save(folder / "net.tflite"), check="zero points", where=flat.name(index))
    read = file.dequantize(pick(random, layers), 1)
    zeros = np.zeros_like(file.values(read.input[2]))
    zeros.reshape(-1)[random.integers(zeros.size)] = 5
    file.put(read.input[2], zeros)
    return Planted(path=file.save(folder / "net.onnx"), check="zero points", where=plain(read.input[0]))


def weight_range(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """A scale far too large or far too small, the weights quantized with it."""
    factor = float(pick(random, (0.2, 5.0, 8.0, 20.0)))
    if random.integers(2):
        flat = Tflite(sound.tflite)
        index = pick(random, flat.layers).inputs[1]
        tensor = flat.tensor(index)
        tensor.quantization.scale = np.asarray(tensor.quantization.scale, np.float32) * np.float32(factor)
        buffer = flat.tables.buffers[tensor.buffer]
        codes = np.frombuffer(bytes(buffer.data), np.int8).astype(np.float64)
        codes = np.clip(np.rint(codes / factor), -127, 127).astype(np.int8)
        buffer.data = np.frombuffer(codes.tobytes(), np.uint8)
        return Planted(path=flat.save(folder / "net.tflite"), check="weight range", where=flat.name(index))
    file = Onnx(sound.onnx)
    read = file.dequantize(pick(random, file.layers()), 1)
    codes = file.values(read.input[0]).astype(np.float64)
    file.put(read.input[0], np.clip(np.rint(codes / factor), -127, 127).astype(np.int8))
    file.put(read.input[1], file.values(read.input[1]) * np.float32(factor))
    return Planted(path=file.save(folder / "net.onnx"), check="weight range", where=plain(read.input[0]))


def bias_scales(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """Not the scale of the input times that of the weights: in all channels, or in one."""
    factor = np.float32(pick(random, (0.5, 1.01, 2.0, 100.0)))
    if random.integers(2):
        flat = Tflite(sound.tflite)
        index = pick(random, flat.layers).inputs[2]
        how = flat.tensor(index).quantization
        scale = np.array(how.scale, np.float32)
        scale[slice(None) if random.integers(2) else random.integers(scale.size)] *= factor
        how.scale = scale
        return Planted(path=flat.save(folder / "net.tflite"), check="bias scales", where=flat.name(index))
    file = Onnx(sound.onnx)
    read = file.dequantize(pick(random, file.layers(place=2)), 2)
    scale = np.array(file.values(read.input[1]))
    scale.reshape(-1)[slice(None) if random.integers(2) else random.integers(scale.size)] *= factor
    file.put(read.input[1], scale)
    return Planted(path=file.save(folder / "net.onnx"), check="bias scales", where=plain(read.input[0]))


def lost_activation(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """A Relu that is gone, while the zero point behind its layer lets negative values pass."""
    if random.integers(2):
        flat = Tflite(sound.tflite)
        layer = pick(random, [each for each in flat.layers if each.builtinOptions.fusedActivationFunction])
        layer.builtinOptions.fusedActivationFunction = 0
        index = layer.outputs[0]
        flat.tensor(index).quantization.zeroPoint = np.asarray([int(random.integers(-100, 20))], np.int64)
        path = flat.save(folder / "net.tflite")
        where = flat.name(index).split(";")[0]
        return Planted(path=path, check="activation functions", where=where, original=sound.float_tflite)
    relus = {each.output[0]: each for each in onnx.load(sound.float_onnx).graph.node if each.op_type == "Relu"}
    file = Onnx(sound.onnx)
    nodes = [each for each in file.graph.node if each.op_type == "QuantizeLinear" and each.input[0] in relus]
    node = pick(random, nodes)
    file.put(node.input[2], np.asarray(random.integers(30, 200), np.uint8))
    path = file.save(folder / "net.onnx")
    return Planted(path=path, check="activation functions", where=relus[node.input[0]].name, original=sound.float_onnx)


def overflow(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """A layer whose sums can leave int32: many large weights, or a bias near the end."""
    if random.integers(2):
        file = Onnx(sound.onnx)
        layer = pick(random, file.layers(place=2))
        read = file.dequantize(layer, 2)
        bias = np.array(file.values(read.input[0]))
        bias[random.integers(bias.size)] = pick(random, (2**31 - 1000, -(2**31) + 1000))
        file.put(read.input[0], bias)
        return Planted(path=file.save(folder / "net.onnx"), check="int32 sums", where=layer.name)
    count = int(random.integers(70_000, 90_000))
    weights = random.integers(122, 128, (count, 2)).astype(np.int8)
    return Planted(path=long_layer(folder / "net.onnx", weights), check="int32 sums", where="long")


def long_layer(path: Path, weights: np.ndarray) -> Path:
    """A quantized matrix product with these weights."""
    count, columns = weights.shape
    arrays = {
        "x_scale": np.float32(0.02),
        "x_zero_point": np.uint8(0),
        "w_quantized": weights,
        "w_scale": np.float32(0.001),
        "w_zero_point": np.int8(0),
        "y_scale": np.float32(3.0),
        "y_zero_point": np.uint8(0),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero_point"], ["xq"]),
        helper.make_node("QLinearMatMul", ["xq", *list(arrays)[:2], *list(arrays)[2:]], ["yq"], name="long"),
        helper.make_node("DequantizeLinear", ["yq", "y_scale", "y_zero_point"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", count])]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", columns])]
    initializers = [numpy_helper.from_array(np.asarray(values), name) for name, values in arrays.items()]
    graph = helper.make_graph(nodes, "g", ends, out, initializers)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


MOVABLE = ("MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze")
"""Operators over which ONNX Runtime moves conversions by itself: one that is missing behind them only is no defect."""


def conversions(sound: Sound, random: np.random.Generator, folder: Path) -> Planted:
    """Pairs that disagree, an input that stays in float, or scales along the wrong axis."""
    file = Onnx(sound.onnx)
    case = int(random.integers(3))
    if case == 0:
        reads = [each for each in file.graph.node if each.op_type == "DequantizeLinear"]
        node = pick(random, [each for each in reads if each.input[0] in file.makers])
        file.add("other_scale", file.values(node.input[1]) * np.float32(1.5))
        node.input[1] = "other_scale"
        where = plain(file.makers[node.input[0]].input[0])
        return Planted(path=file.save(folder / "net.onnx"), check="conversions", where=where)
    layer = pick(random, [each for each in file.layers() if min(file.shape(each)[:2]) > 1])
    if case == 1:
        _stay_in_float(file, layer)
        return Planted(path=file.save(folder / "net.onnx"), check="conversions", where=layer.name)
    read = file.dequantize(layer, 1)
    values = file.values(read.input[0])
    axis = next(each for each in read.attribute if each.name == "axis")
    axis.i = 1 - axis.i
    file.put(read.input[1], np.resize(file.values(read.input[1]), values.shape[axis.i]))
    file.put(read.input[2], np.zeros(values.shape[axis.i], np.int8))
    return Planted(path=file.save(folder / "net.onnx"), check="conversions", where=layer.name)


def _stay_in_float(file: Onnx, node: onnx.NodeProto | None) -> None:
    """Takes the conversions away before a layer, and those that would move to it over other operators."""
    while node is not None:
        read = file.makers.get(node.input[0])
        if read is not None and read.op_type == "DequantizeLinear":
            node.input[0] = file.makers[read.input[0]].input[0]
        before = file.makers.get(node.input[0])
        node = before if before is not None and before.op_type in MOVABLE else None


KINDS: Mapping[str, Plant] = {
    "nothing quantized under the name int8": nothing_done,
    "float weights left in, or unused": floats_left,
    "placeholder scales": placeholder_scales,
    "scales zero, denormal, not finite": broken_scales,
    "zero points out of range or misplaced": zero_points,
    "weight range not used, or cut off": weight_range,
    "bias scale not Sx*Sw": bias_scales,
    "Relu lost": lost_activation,
    "int32 sums overflow": overflow,
    "conversions that do not fit": conversions,
}
