"""Makes the small models that the conformance suite runs, with their manifests, inputs and answers.

    python tests/data/models/make_models.py

This needs TensorFlow and onnx (`pip install 'crossrt[export]'`); the suite needs neither, so the files are committed.
The network maps `image` `(batch, 28, 28, 1)` to `logits` `(batch, 10)`: a convolution, ReLU and a dense layer with
fixed random weights. The answers are computed by numpy in float64. Those of the integer model use the weights and
scales in its file, and round each tensor to its own steps.
"""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from crossrt.core.artifact import ModelArtifact, Quantization, sha256_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, write_manifest
from crossrt.datasets.mnist import digits as mnist
from crossrt.exporters.recipes.recipe import TfliteStatic
from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs
from crossrt.exporters.to_tflite import export_tflite
from crossrt.exporters.variants import Variant

HERE = Path(__file__).parent
MODEL = "conv"
IR_VERSION, OPSET = 10, 18
FILTERS, STRIDE, SIDE, CLASSES = 4, 4, 7, 10
HIDDEN = SIDE * SIDE * FILTERS
REFERENCE_ROWS = 8
INT8_IO = TfliteStatic(io_type="int8", calibration_samples=100)

Array = NDArray[Any]
Snap = Callable[[str, Array], Array]


def main() -> None:
    """Writes one folder per model: `model.*`, `artifact.json`, `input-0.npy` and `output-0.npy`."""
    weights = random_weights()
    images = mnist.shipped("test").as_input()[:REFERENCE_ROWS]
    save_onnx(weights, path := model_file("fp32", "onnx"))
    describe(path, weights, None, images, network(images, weights))
    save_tflite(weights, path := model_file("fp32", "tflite"), None)
    describe(path, weights, None, images, network(images, weights))
    save_tflite(weights, path := model_file("int8-io", "tflite"), INT8_IO)
    record = Variant(name="int8-io", format="tflite", recipe=INT8_IO).quantization_record()
    describe(path, weights, record, images, integer_network(images, path))


def model_file(variant: str, form: str) -> Path:
    """`conv.fp32.onnx/model.onnx`, with its folder made."""
    folder = HERE / f"{MODEL}.{variant}.{form}"
    folder.mkdir(exist_ok=True)
    return folder / f"model.{form}"


def random_weights() -> dict[str, Array]:
    """The float32 weights, in Keras' layouts."""
    rng = np.random.default_rng(0)
    shapes = {"kernel": (3, 3, 1, FILTERS), "bias": (FILTERS,), "dense": (HIDDEN, CLASSES), "offset": (CLASSES,)}
    return {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def network(images: Array, weights: dict[str, Array], snap: Snap = lambda _, tensor: tensor) -> Array:
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
    return network(images, weights, lambda name, tensor: snapped(tensor, *details[shapes[name]]["quantization"]))


def is_quantized(detail: dict[str, Any]) -> bool:
    """Whether a tensor of a TFLite file has a scale."""
    return len(detail["quantization_parameters"]["scales"]) > 0


def real_weights(interpreter: Interpreter, detail: dict[str, Any]) -> Array:
    """A constant tensor in real units, its output channels first."""
    stored = interpreter.get_tensor(detail["index"]).astype(np.float64)
    scales = detail["quantization_parameters"]["scales"].astype(np.float64)
    return stored * scales.reshape(-1, *[1] * (stored.ndim - 1))


def snapped(tensor: Array, scale: float, zero_point: int) -> Array:
    """The nearest values that an int8 tensor can hold, in real units."""
    return (np.clip(np.rint(tensor / scale) + zero_point, -128, 127) - zero_point) * scale


def save_onnx(weights: dict[str, Array], path: Path) -> None:
    """The network as ONNX, its batch dimension named `batch`."""
    stored = weights | {"kernel": weights["kernel"].transpose(3, 2, 0, 1)}
    nodes = [
        helper.make_node("Transpose", ["image"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels_first", "kernel", "bias"], ["sums"], strides=[STRIDE, STRIDE]),
        helper.make_node("Relu", ["sums"], ["positive"]),
        helper.make_node("Transpose", ["positive"], ["channels_last"], perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["channels_last"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "dense", "offset"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        MODEL,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 28, 28, 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in stored.items()],
    )
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def save_tflite(weights: dict[str, Array], path: Path, recipe: TfliteStatic | None) -> None:
    """The network as TFLite, through Keras and the converter."""
    convolution = keras.layers.Conv2D(FILTERS, 3, STRIDE, activation="relu")
    dense = keras.layers.Dense(CLASSES)
    inputs = keras.Input((28, 28, 1), name="image")
    model = keras.Sequential([inputs, convolution, keras.layers.Flatten(), dense])
    convolution.set_weights([weights["kernel"], weights["bias"]])
    dense.set_weights([weights["dense"], weights["offset"]])
    export_tflite(model, path, recipe)


def describe(path: Path, weights: dict[str, Array], how: Quantization | None, images: Array, logits: Array) -> None:
    """Writes the manifest, the inputs and the answers beside a model."""
    model, variant, form = path.parent.name.split(".")
    inputs, outputs = onnx_specs(path) if form == "onnx" else tflite_specs(path)
    maker = "onnx" if form == "onnx" else "tensorflow-cpu"
    artifact = ModelArtifact(
        model=model,
        variant=variant,
        format=form,
        path=path,
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        quantization=how,
        producer={maker: version(maker)},
        model_sha256=hashlib.sha256(b"".join(array.tobytes() for array in weights.values())).hexdigest(),
    )
    write_manifest(artifact, path.with_name(ARTIFACT_MANIFEST))
    np.save(path.with_name("input-0.npy"), images.astype(np.float32), allow_pickle=False)
    np.save(path.with_name("output-0.npy"), logits.astype(np.float32), allow_pickle=False)


if __name__ == "__main__":
    main()
