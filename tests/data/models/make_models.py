"""Makes the small models beside this file, which tests of several rooms run: manifests, inputs and answers with them.

    python tests/data/models/make_models.py

This needs TensorFlow and onnx (`pip install 'crossrt[export]'`); the tests need neither, so the files are committed.
The network maps `image` `(batch, 28, 28, 1)` to `logits` `(batch, 10)`: a convolution, ReLU and a dense layer with
fixed random weights. The answers are computed by numpy in float64. Those of the integer model use the weights and
scales in its file, and round each tensor to its own quantization steps. The models of the conformance suite are made
by `make_onnx.py` and `make_tflite.py`.
"""

import gzip
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import make_onnx
import make_tflite
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from onnx import helper
from writing import BATCH, ROOT, Array, describe, spec

from crossrt.core.artifact import Quantization

HERE = Path(__file__).parent
IMAGES = ROOT / "datasets" / "mnist" / "data"
IDX_HEADER_BYTES = 16
FILTERS, STRIDE, SIDE, CLASSES = 4, 4, 7, 10
HIDDEN = SIDE * SIDE * FILTERS
REFERENCE_ROWS = 8
CALIBRATION_SAMPLES = 100
FLOAT_SPECS = ([spec("image", "float32", BATCH, 28, 28, 1)], [spec("logits", "float32", BATCH, CLASSES)])

Snap = Callable[[str, Array], Array]


def main() -> None:
    """Writes one folder per model: `model.*`, `artifact.json`, `input-0.npy` and `output-0.npy`."""
    weights, rows = random_weights(), images("t10k-images-idx3-ubyte.gz", REFERENCE_ROWS)
    for path in (save_onnx(weights), save_tflite("conv.fp32", weights)):
        describe(path, *FLOAT_SPECS)
        store_rows(path, rows, network(rows, weights))
    calibration = images("train-10k-images-idx3-ubyte.gz", CALIBRATION_SAMPLES)
    path = save_tflite("conv.int8-io", weights, calibration)
    describe(path, *integer_specs(path), quantization=quantization(calibration))
    store_rows(path, rows, integer_network(rows, path))


def images(file: str, count: int) -> Array:
    """The first images of a file, as float32 between 0 and 1."""
    content = gzip.decompress((IMAGES / file).read_bytes())
    pixels = np.frombuffer(content, np.uint8, offset=IDX_HEADER_BYTES).reshape(-1, 28, 28, 1)
    return (pixels[:count] / 255).astype(np.float32)


def random_weights() -> dict[str, Array]:
    """The float32 weights, in the layouts of TensorFlow."""
    rng = np.random.default_rng(0)
    shapes = {"kernel": (3, 3, 1, FILTERS), "bias": (FILTERS,), "dense": (HIDDEN, CLASSES), "offset": (CLASSES,)}
    return {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def network(images: Array, weights: Mapping[str, Array], snap: Snap = lambda _, tensor: tensor) -> Array:
    """The network in float64; `snap` rounds a named tensor to the steps that it has in an integer model."""
    wide = {name: array.astype(np.float64) for name, array in weights.items()}
    image = snap("image", images.astype(np.float64))
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    sums = np.einsum("nhwcij,ijcf->nhwf", windows, wide["kernel"])
    hidden = snap("hidden", np.maximum(sums + wide["bias"], 0)).reshape(len(images), HIDDEN)
    return snap("logits", hidden @ wide["dense"] + wide["offset"])


def integer_network(images: Array, path: Path) -> Array:
    """The same with what an integer TFLite file holds; its tensors are told apart by their shapes."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    details = {tuple(detail["shape"]): detail for detail in interpreter.get_tensor_details() if is_quantized(detail)}
    weights = {
        "kernel": real_weights(interpreter, details[(FILTERS, 3, 3, 1)]).transpose(1, 2, 3, 0),
        "bias": real_weights(interpreter, details[(FILTERS,)]),
        "dense": real_weights(interpreter, details[(CLASSES, HIDDEN)]).T,
        "offset": real_weights(interpreter, details[(CLASSES,)]),
    }
    shapes = {"image": (1, 28, 28, 1), "hidden": (1, SIDE, SIDE, FILTERS), "logits": (1, CLASSES)}

    def snap(name: str, tensor: Array) -> Array:
        return make_tflite.snapped(tensor, *details[shapes[name]]["quantization"])

    return network(images, weights, snap)


def is_quantized(detail: Mapping[str, Any]) -> bool:
    """Whether a tensor of a TFLite file has a scale."""
    return len(detail["quantization_parameters"]["scales"]) > 0


def real_weights(interpreter: Interpreter, detail: Mapping[str, Any]) -> Array:
    """A constant tensor in real units, its output channels first."""
    stored = interpreter.get_tensor(detail["index"]).astype(np.float64)
    scales = detail["quantization_parameters"]["scales"].astype(np.float64)
    return stored * scales.reshape(-1, *[1] * (stored.ndim - 1))


def integer_specs(path: Path) -> tuple[list[Any], list[Any]]:
    """Input and output of the integer model, with the scales in its file."""
    interpreter = Interpreter(str(path))
    own = [each()[0] for each in (interpreter.get_input_details, interpreter.get_output_details)]
    taken, given = ({"scale": float(s), "zero_point": int(z)} for s, z in (each["quantization"] for each in own))
    return [spec("image", "int8", BATCH, 28, 28, 1, **taken)], [spec("logits", "int8", BATCH, CLASSES, **given)]


def quantization(calibration: Array) -> Quantization:
    """How the integer model was quantized."""
    return Quantization(
        scheme="static",
        representation="tflite",
        activation_type="int8",
        weight_type="int8",
        granularity="per-channel",
        calibration_method="minmax",
        calibration_samples=len(calibration),
        calibration_sha256=hashlib.sha256(calibration.tobytes()).hexdigest(),
        io_dtype="int8",
    )


def save_onnx(weights: Mapping[str, Array]) -> Path:
    """The network as ONNX, its batch dimension named `batch`."""
    nodes = [
        helper.make_node("Transpose", ["image"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels_first", "kernel", "bias"], ["sums"], strides=[STRIDE, STRIDE]),
        helper.make_node("Relu", ["sums"], ["positive"]),
        helper.make_node("Transpose", ["positive"], ["channels_last"], perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["channels_last"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "dense", "offset"], ["logits"]),
    ]
    stored = {**weights, "kernel": np.ascontiguousarray(weights["kernel"].transpose(3, 2, 0, 1))}
    return make_onnx.save("conv.fp32", nodes, *FLOAT_SPECS, stored, root=HERE)


def save_tflite(name: str, weights: Mapping[str, Array], calibration: Array | None = None) -> Path:
    """The network as TFLite, all int8 where calibration data are given."""

    def convolution(image: tf.Tensor) -> Mapping[str, Any]:
        sums = tf.nn.bias_add(tf.nn.conv2d(image, weights["kernel"], STRIDE, "VALID"), weights["bias"])
        hidden = tf.nn.relu(sums)
        flat = tf.reshape(hidden, [tf.shape(hidden)[0], HIDDEN])
        return {"logits": tf.nn.bias_add(tf.matmul(flat, weights["dense"]), weights["offset"])}

    def samples() -> Iterator[dict[str, Array]]:
        return ({"image": row[np.newaxis]} for row in calibration)

    data = None if calibration is None else samples
    return make_tflite.save(name, convolution, data, root=HERE, image=([None, 28, 28, 1], tf.float32))


def store_rows(path: Path, images: Array, logits: Array) -> None:
    """Writes what the model takes and must answer beside it."""
    np.save(path.with_name("input-0.npy"), images, allow_pickle=False)
    np.save(path.with_name("output-0.npy"), logits.astype(np.float32), allow_pickle=False)


if __name__ == "__main__":
    main()
