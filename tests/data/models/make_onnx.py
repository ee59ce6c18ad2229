"""Makes the ONNX files of the conformance suite: `python tests/data/models/make_onnx.py`, with onnx installed.

Each shows one thing that a model of somebody else may have. The answers are computed by numpy in float64.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from writing import BATCH, CONFORMANCE, Array, describe, new_folder, random, spec, store

from crossrt.core.artifact import Quantization
from crossrt.core.tensor import TensorSpec

IR_VERSION, OPSET = 10, 18
SAMPLES = 3
node = helper.make_node


def main() -> None:
    """Writes all of them."""
    for make in (
        channels_first,
        two_inputs,
        symbolic_dimension,
        unsigned_pixels,
        fixed_batch,
        external_data,
        half_floats,
        no_batch,
        batch_on_axis_1,
        unnamed_dimensions,
        integer_io,
        mixed_dtypes,
        shared_input,
        empty_tensor,
    ):
        make()


def channels_first() -> None:
    """A convolution on `(batch, channels, height, width)`."""
    image, kernel, bias = random(SAMPLES, 3, 8, 6), random(4, 3, 3, 3, seed=1), random(4, seed=2)
    dense, offset = random(24, 5, seed=3), random(5, seed=4)
    windows = np.lib.stride_tricks.sliding_window_view(wide(image), (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    hidden = np.maximum(np.einsum("nchwij,fcij->nfhw", windows, wide(kernel)) + wide(bias)[:, None, None], 0)
    path = save(
        "image.fp32",
        [
            node("Conv", ["image", "kernel", "bias"], ["sums"], strides=[2, 2]),
            node("Relu", ["sums"], ["positive"]),
            node("Flatten", ["positive"], ["hidden"]),
            node("Gemm", ["hidden", "dense", "offset"], ["logits"]),
        ],
        inputs := [spec("image", "float32", BATCH, 3, 8, 6)],
        outputs := [spec("logits", "float32", BATCH, 5)],
        {"kernel": kernel, "bias": bias, "dense": dense, "offset": offset},
    )
    describe(path, inputs, outputs)
    logits = hidden.reshape(SAMPLES, -1) @ wide(dense) + wide(offset)
    store(path.parent, {"image": image}, {"logits": logits})


def two_inputs() -> None:
    """Two inputs, two outputs."""
    left, right, a, b = random(SAMPLES, 4), random(SAMPLES, 3, seed=1), random(4, 2, seed=2), random(3, 2, seed=3)
    path = save(
        "pair.fp32",
        [
            node("MatMul", ["left", "a"], ["lefts"]),
            node("MatMul", ["right", "b"], ["rights"]),
            node("Add", ["lefts", "rights"], ["total"]),
            node("Sub", ["lefts", "rights"], ["difference"]),
            node("Relu", ["difference"], ["gap"]),
        ],
        inputs := [spec("left", "float32", BATCH, 4), spec("right", "float32", BATCH, 3)],
        outputs := [spec("total", "float32", BATCH, 2), spec("gap", "float32", BATCH, 2)],
        {"a": a, "b": b},
    )
    describe(path, inputs, outputs)
    lefts, rights = wide(left) @ wide(a), wide(right) @ wide(b)
    answers = {"total": lefts + rights, "gap": np.maximum(lefts - rights, 0)}
    store(path.parent, {"left": left, "right": right}, answers)


def symbolic_dimension() -> None:
    """int64 indices, and a named dimension that is not the batch."""
    tokens, table = np.random.default_rng(0).integers(0, 7, (SAMPLES, 5)), random(7, 3)
    path = save(
        "tokens.int64",
        [
            node("Gather", ["table", "tokens"], ["embedded"]),
            node("ReduceMean", ["embedded", "axis"], ["pooled"], keepdims=0),
        ],
        inputs := [spec("tokens", "int64", BATCH, "sequence")],
        outputs := [spec("embedded", "float32", BATCH, "sequence", 3), spec("pooled", "float32", BATCH, 3)],
        {"table": table, "axis": np.array([1])},
    )
    describe(path, inputs, outputs)
    embedded = wide(table)[tokens]
    store(path.parent, {"tokens": tokens}, {"embedded": embedded, "pooled": embedded.mean(axis=1)})


def unsigned_pixels() -> None:
    """uint8 that stands for itself."""
    pixels, dense = np.random.default_rng(0).integers(0, 256, (SAMPLES, 4, 4, 1), np.uint8), random(16, 3)
    path = save(
        "pixels.uint8",
        [
            node("Cast", ["pixels"], ["reals"], to=onnx.TensorProto.FLOAT),
            node("Div", ["reals", "white"], ["scaled"]),
            node("Flatten", ["scaled"], ["flat"]),
            node("MatMul", ["flat", "dense"], ["logits"]),
        ],
        inputs := [spec("pixels", "uint8", BATCH, 4, 4, 1)],
        outputs := [spec("logits", "float32", BATCH, 3)],
        {"white": np.float32(255), "dense": dense},
    )
    describe(path, inputs, outputs)
    store(path.parent, {"pixels": pixels}, {"logits": (pixels / 255.0).reshape(SAMPLES, -1) @ wide(dense)})


def fixed_batch() -> None:
    """Four samples a call, no more and no less."""
    x, dense = random(4, 6), random(6, 3, seed=1)
    inputs, outputs = [spec("x", "float32", 4, 6)], [spec("y", "float32", 4, 3)]
    path = save("fixed.fp32", [node("MatMul", ["x", "dense"], ["y"])], inputs, outputs, {"dense": dense})
    describe(path, inputs, outputs, size=4)
    store(path.parent, {"x": x}, {"y": wide(x) @ wide(dense)})


def external_data() -> None:
    """Weights in a file beside the model."""
    x, dense = random(SAMPLES, 16), random(16, 4, seed=1)
    inputs, outputs = [spec("x", "float32", BATCH, 16)], [spec("y", "float32", BATCH, 4)]
    path = save(
        "external.fp32",
        [node("MatMul", ["x", "dense"], ["y"])],
        inputs,
        outputs,
        {"dense": dense},
        beside="weights.bin",
    )
    describe(path, inputs, outputs, data_files=("weights.bin",))
    store(path.parent, {"x": x}, {"y": wide(x) @ wide(dense)})


def half_floats() -> None:
    """float16 in and out."""
    x, dense = random(SAMPLES, 6).astype(np.float16), random(6, 3, seed=1).astype(np.float16)
    inputs, outputs = [spec("x", "float16", BATCH, 6)], [spec("y", "float16", BATCH, 3)]
    path = save("half.fp16", [node("MatMul", ["x", "dense"], ["y"])], inputs, outputs, {"dense": dense})
    describe(path, inputs, outputs)
    store(path.parent, {"x": x}, {"y": wide(x) @ wide(dense)})


def no_batch() -> None:
    """One signal a call, without an axis for samples."""
    x, dense = random(SAMPLES, 6), random(6, 4, seed=1)
    inputs, outputs = [spec("x", "float32", 6)], [spec("y", "float32", 4)]
    path = save("signal.fp32", [node("MatMul", ["x", "dense"], ["y"])], inputs, outputs, {"dense": dense})
    describe(path, inputs, outputs, axes={})
    store(path.parent, {"x": x}, {"y": wide(x) @ wide(dense)})


def batch_on_axis_1() -> None:
    """A state whose samples lie along axis 1."""
    x, state, dense = random(SAMPLES, 4), random(SAMPLES, 2, 3, seed=1), random(4, 3, seed=2)
    path = save(
        "state.fp32",
        [
            node("MatMul", ["x", "dense"], ["change"]),
            node("Add", ["change", "state"], ["sum"]),
            node("Tanh", ["sum"], ["new_state"]),
            node("ReduceSum", ["new_state", "axis"], ["y"], keepdims=0),
        ],
        inputs := [spec("x", "float32", BATCH, 4), spec("state", "float32", 2, BATCH, 3)],
        outputs := [spec("y", "float32", BATCH, 3), spec("new_state", "float32", 2, BATCH, 3)],
        {"dense": dense, "axis": np.array([0])},
    )
    describe(path, inputs, outputs, axes={"x": 0, "state": 1})
    new_state = np.tanh((wide(x) @ wide(dense))[:, None] + wide(state))
    store(path.parent, {"x": x, "state": state}, {"y": new_state.sum(axis=1), "new_state": new_state})


def unnamed_dimensions() -> None:
    """Dynamic dimensions without names in the file; the record names them."""
    x = random(SAMPLES, 5)
    nodes = [node("ReduceMean", ["x", "axis"], ["mean"]), node("Sub", ["x", "mean"], ["y"])]
    inputs, outputs = [spec("x", "float32", BATCH, "x[1]")], [spec("y", "float32", BATCH, None)]
    path = save("unnamed.fp32", nodes, inputs, outputs, {"axis": np.array([1])}, named=False)
    describe(path, inputs, outputs)
    store(path.parent, {"x": x}, {"y": wide(x) - wide(x).mean(axis=1, keepdims=True)})


def integer_io() -> None:
    """uint8 that stands for real numbers, in and out."""
    x, dense = random(SAMPLES, 6), random(6, 3, seed=1)
    scales = {"x": (np.float32(0.02), np.uint8(120)), "y": (np.float32(0.03), np.uint8(131))}
    weights = {f"{name}_{part}": value for name, pair in scales.items() for part, value in zip("sz", pair, strict=True)}
    own = {name: {"scale": float(scale), "zero_point": int(zero)} for name, (scale, zero) in scales.items()}
    path = save(
        "dense.uint8-io",
        [
            node("DequantizeLinear", ["x", "x_s", "x_z"], ["real_x"]),
            node("MatMul", ["real_x", "dense"], ["real_y"]),
            node("QuantizeLinear", ["real_y", "y_s", "y_z"], ["y"]),
        ],
        inputs := [spec("x", "uint8", BATCH, 6, **own["x"])],
        outputs := [spec("y", "uint8", BATCH, 3, **own["y"])],
        {"dense": dense, **weights},
    )
    record = Quantization(
        scheme="static",
        representation="qdq",
        activation_type="uint8",
        weight_type="float32",
        granularity="per-tensor",
        io_dtype="uint8",
    )
    describe(path, inputs, outputs, quantization=record)
    y = snapped(snapped(wide(x), **own["x"]) @ wide(dense), **own["y"])
    store(path.parent, {"x": x}, {"y": y})


def mixed_dtypes() -> None:
    """float64, int32 and bool in; float64 and int64 out."""
    rng = np.random.default_rng(0)
    reals, integers = random(SAMPLES, 3), rng.integers(-9, 9, (SAMPLES, 3), np.int32)
    flags = rng.integers(0, 2, (SAMPLES, 3)).astype(bool)
    path = save(
        "mixed.fp64",
        [
            node("Cast", ["integers"], ["cast"], to=onnx.TensorProto.DOUBLE),
            node("Where", ["flags", "reals", "cast"], ["chosen"]),
            node("Cast", ["flags"], ["ones"], to=onnx.TensorProto.INT64),
            node("ReduceSum", ["ones", "axis"], ["count"], keepdims=0),
        ],
        inputs := [
            spec("reals", "float64", BATCH, 3),
            spec("integers", "int32", BATCH, 3),
            spec("flags", "bool", BATCH, 3),
        ],
        outputs := [spec("chosen", "float64", BATCH, 3), spec("count", "int64", BATCH)],
        {"axis": np.array([1])},
    )
    describe(path, inputs, outputs)
    answers = {"chosen": np.where(flags, wide(reals), integers), "count": flags.sum(axis=1)}
    store(path.parent, {"reals": reals, "integers": integers, "flags": flags}, answers)


def shared_input() -> None:
    """A scalar beside the batch: the same for all samples of a call."""
    x, gain = random(SAMPLES, 4), np.float32(1.5)
    inputs, outputs = [spec("x", "float32", BATCH, 4), spec("gain", "float32")], [spec("y", "float32", BATCH, 4)]
    path = save("gain.fp32", [node("Mul", ["x", "gain"], ["y"])], inputs, outputs, {})
    describe(path, inputs, outputs, axes={"x": 0})
    store(path.parent, {"x": x, "gain": np.asarray(gain)}, {"y": wide(x) * 1.5})


def empty_tensor() -> None:
    """An input and an output without elements."""
    x, extra = random(SAMPLES, 3), np.zeros((SAMPLES, 0), np.float32)
    nodes = [node("Concat", ["x", "extra"], ["joined"], axis=1), node("Neg", ["joined"], ["y"])]
    nodes.append(node("Neg", ["extra"], ["rest"]))
    inputs = [spec("x", "float32", BATCH, 3), spec("extra", "float32", BATCH, 0)]
    outputs = [spec("y", "float32", BATCH, 3), spec("rest", "float32", BATCH, 0)]
    path = save("empty.fp32", nodes, inputs, outputs, {})
    describe(path, inputs, outputs)
    store(path.parent, {"x": x, "extra": extra}, {"y": -wide(x), "rest": extra})


def wide(array: Array) -> Array:
    """The same numbers as float64."""
    return array.astype(np.float64)


def snapped(real: Array, scale: float, zero_point: int) -> Array:
    """The nearest values that a uint8 tensor can hold, in real units."""
    return (np.clip(np.rint(real / scale) + zero_point, 0, 255) - zero_point) * scale


def save(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    weights: Mapping[str, Any],
    *,
    named: bool = True,
    beside: str | None = None,
    root: Path = CONFORMANCE,
) -> Path:
    """Writes `<name>.onnx/model.onnx`; `beside` is the file that takes the weights."""
    values = [[_value(each, named) for each in specs] for specs in (inputs, outputs)]
    stored = [numpy_helper.from_array(np.asarray(array), key) for key, array in weights.items()]
    graph = helper.make_graph(list(nodes), name.partition(".")[0], *values, stored)
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model, full_check=True)
    path = new_folder(name, "onnx", root) / "model.onnx"
    if beside:
        (path.parent / beside).unlink(missing_ok=True)  # onnx appends
        onnx.save(model, path, save_as_external_data=True, location=beside, size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def _value(each: TensorSpec, named: bool) -> onnx.ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(each.dtype))
    return helper.make_tensor_value_info(
        each.name, dtype, [size if named or isinstance(size, int) else None for size in each.shape]
    )


if __name__ == "__main__":
    main()
