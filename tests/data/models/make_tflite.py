"""Makes the TFLite files of the conformance suite: `python tests/data/models/make_tflite.py`, with TensorFlow.

Each shows one thing that a model of somebody else may have. The answers are computed by numpy in float64; those of the
integer model use the weights and scales in its file.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import Builder
from writing import BATCH, CONFORMANCE, Array, describe, new_folder, random, spec, store

from crossrt.core.artifact import Quantization

DEFAULT = "serving_default"
SAMPLES = 3
HERE = Path(__file__).parent
Function = Callable[..., Mapping[str, Any]]


def main() -> None:
    """Writes all of them."""
    for make in (
        image,
        no_signature,
        several_signatures,
        two_inputs,
        indices_and_pixels,
        fixed_batch,
        no_batch,
        batch_on_axis_1,
        half_floats,
        integer_io,
        empty_tensor,
        size_of_a_run,
        size_of_the_batch,
    ):
        make()


def image() -> Path:
    """A convolution on `(batch, height, width, channels)`."""
    pixels, kernel, dense = random(SAMPLES, 8, 6, 3), random(3, 3, 3, 4, seed=1), random(24, 5, seed=2)

    def network(image: tf.Tensor) -> Mapping[str, Any]:
        hidden = tf.nn.relu(tf.nn.conv2d(image, kernel, 2, "VALID"))
        return {"logits": tf.matmul(tf.reshape(hidden, [-1, 24]), dense)}

    path = save("image.fp32", network, image=([None, 8, 6, 3], tf.float32))
    describe(path, [spec("image", "float32", BATCH, 8, 6, 3)], [spec("logits", "float32", BATCH, 5)])
    windows = np.lib.stride_tricks.sliding_window_view(wide(pixels), (3, 3), axis=(1, 2))[:, ::2, ::2]
    hidden = np.maximum(np.einsum("nhwcij,ijcf->nhwf", windows, wide(kernel)), 0)
    store(path.parent, {"image": pixels}, {"logits": hidden.reshape(SAMPLES, -1) @ wide(dense)})
    return path


def no_signature() -> None:
    """A file of which only the names of tensors are known."""
    x, dense = random(SAMPLES, 6), random(6, 4, seed=1)
    path = save("unsigned.fp32", lambda x: {"y": tf.matmul(x, dense)}, x=([None, 6], tf.float32))
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    model.signatureDefs = None
    builder = Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    interpreter = Interpreter(str(path))
    taken, given = (str(each()[0]["name"]) for each in (interpreter.get_input_details, interpreter.get_output_details))
    describe(path, [spec(taken, "float32", BATCH, 6)], [spec(given, "float32", BATCH, 4)])
    store(path.parent, {taken: x}, {given: wide(x) @ wide(dense)})


def several_signatures() -> None:
    """Two signatures, each with a graph of its own; the one that is run by default is not the first."""
    x, dense = random(SAMPLES, 6), random(6, 4, seed=1)
    path = save(
        "signatures.fp32",
        lambda x: {"y": tf.matmul(x, dense)},
        others={"another": lambda x: {"z": tf.exp(x)}},
        x=([None, 6], tf.float32),
    )
    assert list(Interpreter(str(path)).get_signature_list()) == ["another", DEFAULT]
    describe(path, [spec("x", "float32", BATCH, 6)], [spec("y", "float32", BATCH, 4)])
    store(path.parent, {"x": x}, {"y": wide(x) @ wide(dense)})


def two_inputs() -> None:
    """Two inputs, two outputs."""
    left, right, a, b = random(SAMPLES, 4), random(SAMPLES, 3, seed=1), random(4, 2, seed=2), random(3, 2, seed=3)

    def network(left: tf.Tensor, right: tf.Tensor) -> Mapping[str, Any]:
        lefts, rights = tf.matmul(left, a), tf.matmul(right, b)
        return {"total": lefts + rights, "gap": tf.nn.relu(lefts - rights)}

    path = save("pair.fp32", network, left=([None, 4], tf.float32), right=([None, 3], tf.float32))
    describe(
        path,
        [spec("left", "float32", BATCH, 4), spec("right", "float32", BATCH, 3)],
        [spec("total", "float32", BATCH, 2), spec("gap", "float32", BATCH, 2)],
    )
    lefts, rights = wide(left) @ wide(a), wide(right) @ wide(b)
    answers = {"total": lefts + rights, "gap": np.maximum(lefts - rights, 0)}
    store(path.parent, {"left": left, "right": right}, answers)


def indices_and_pixels() -> None:
    """int64 and uint8 inputs that stand for themselves, and a dynamic dimension that is not the batch."""
    rng, table = np.random.default_rng(0), random(7, 3)
    tokens, pixels = rng.integers(0, 7, (SAMPLES, 5)), rng.integers(0, 256, (SAMPLES, 3), np.uint8)

    def network(tokens: tf.Tensor, pixels: tf.Tensor) -> Mapping[str, Any]:
        pooled = tf.reduce_mean(tf.gather(table, tokens), axis=1)
        return {"y": pooled + tf.cast(pixels, tf.float32) / 255}

    path = save("tokens.int64", network, tokens=([None, None], tf.int64), pixels=([None, 3], tf.uint8))
    describe(
        path,
        [spec("tokens", "int64", BATCH, "tokens[1]"), spec("pixels", "uint8", BATCH, 3)],
        [spec("y", "float32", BATCH, 3)],
    )
    y = wide(table)[tokens].mean(axis=1) + pixels / 255
    store(path.parent, {"tokens": tokens, "pixels": pixels}, {"y": y})


def fixed_batch() -> None:
    """Four samples a call, no more and no less."""
    x, dense = random(4, 6), random(6, 3, seed=1)
    path = save("fixed.fp32", lambda x: {"y": tf.matmul(x, dense)}, x=([4, 6], tf.float32))
    describe(path, [spec("x", "float32", 4, 6)], [spec("y", "float32", 4, 3)], size=4)
    store(path.parent, {"x": x}, {"y": wide(x) @ wide(dense)})


def no_batch() -> None:
    """One signal a call, without an axis for samples."""
    x, gains = random(SAMPLES, 6), random(6, seed=1)
    path = save("signal.fp32", lambda x: {"y": x * gains}, x=([6], tf.float32))
    describe(path, [spec("x", "float32", 6)], [spec("y", "float32", 6)], axes={})
    store(path.parent, {"x": x}, {"y": wide(x) * wide(gains)})


def batch_on_axis_1() -> None:
    """A state whose samples lie along axis 1."""
    x, state, dense = random(SAMPLES, 4), random(SAMPLES, 2, 3, seed=1), random(4, 3, seed=2)

    def network(x: tf.Tensor, state: tf.Tensor) -> Mapping[str, Any]:
        new_state = tf.tanh(tf.matmul(x, dense) + state)
        return {"y": tf.reduce_sum(new_state, axis=0), "new_state": new_state}

    path = save("state.fp32", network, x=([None, 4], tf.float32), state=([2, None, 3], tf.float32))
    describe(
        path,
        [spec("x", "float32", BATCH, 4), spec("state", "float32", 2, BATCH, 3)],
        [spec("y", "float32", BATCH, 3), spec("new_state", "float32", 2, BATCH, 3)],
        axes={"x": 0, "state": 1},
    )
    new_state = np.tanh((wide(x) @ wide(dense))[:, None] + wide(state))
    store(path.parent, {"x": x, "state": state}, {"y": new_state.sum(axis=1), "new_state": new_state})


def half_floats() -> None:
    """float16 in and out."""
    x, dense = random(SAMPLES, 6).astype(np.float16), random(6, 3, seed=1)

    def network(x: tf.Tensor) -> Mapping[str, Any]:
        return {"y": tf.cast(tf.matmul(tf.cast(x, tf.float32), dense), tf.float16)}

    path = save("half.fp16", network, x=([None, 6], tf.float16))
    describe(path, [spec("x", "float16", BATCH, 6)], [spec("y", "float16", BATCH, 3)])
    store(path.parent, {"x": x}, {"y": wide(x) @ wide(dense)})


def integer_io() -> None:
    """int8 that stands for real numbers, in and out."""
    x, dense = random(SAMPLES, 6), random(6, 3, seed=1)

    def calibration() -> Iterator[dict[str, Array]]:
        return ({"x": random(1, 6, seed=seed)} for seed in range(100))

    path = save("dense.int8-io", lambda x: {"y": tf.matmul(x, dense)}, calibration, x=([None, 6], tf.float32))
    interpreter = Interpreter(str(path))
    details = {str(each["name"]): each for each in interpreter.get_tensor_details()}
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    weights = next(each for each in details.values() if each["dtype"] == np.int8 and tuple(each["shape"]) == (3, 6))
    own = {name: _parameters(each) for name, each in (("x", taken), ("y", given))}
    record = Quantization(
        scheme="static",
        representation="tflite",
        activation_type="int8",
        weight_type="int8",
        granularity="per-channel",
        calibration_method="minmax",
        calibration_samples=100,
        io_dtype="int8",
    )
    taken_spec, given_spec = spec("x", "int8", BATCH, 6, **own["x"]), spec("y", "int8", BATCH, 3, **own["y"])
    describe(path, [taken_spec], [given_spec], quantization=record)
    real = interpreter.get_tensor(weights["index"]) * wide(weights["quantization_parameters"]["scales"])[:, None]
    store(path.parent, {"x": x}, {"y": snapped(snapped(wide(x), **own["x"]) @ real.T, **own["y"])})


def empty_tensor() -> None:
    """An input and an output without elements."""
    x, extra = random(SAMPLES, 3), np.zeros((SAMPLES, 0), np.float32)

    def network(x: tf.Tensor, extra: tf.Tensor) -> Mapping[str, Any]:
        return {"y": -tf.concat([x, extra], axis=1), "rest": tf.abs(extra)}

    path = save("empty.fp32", network, x=([None, 3], tf.float32), extra=([None, 0], tf.float32))
    describe(
        path,
        [spec("x", "float32", BATCH, 3), spec("extra", "float32", BATCH, 0)],
        [spec("y", "float32", BATCH, 3), spec("rest", "float32", BATCH, 0)],
    )
    store(path.parent, {"x": x, "extra": extra}, {"y": -wide(x), "rest": extra})


def size_of_a_run() -> None:
    """An output whose size only a run can tell; not for the suite, as not every runtime has such outputs."""
    save_here("masked", lambda x: {"y": tf.boolean_mask(x, x > 0)}, x=([6], tf.float32))


def size_of_the_batch() -> None:
    """Outputs whose size the file computes from that of its input, as Flatten does."""
    dense = random(6, 4, seed=1)

    def network(x: tf.Tensor) -> Mapping[str, Any]:
        flat = tf.reshape(x, [tf.shape(x)[0], 6])
        return {"y": tf.matmul(flat, dense), "signs": tf.cast(tf.sign(flat), tf.int64)}

    save_here("flattened", network, x=([None, 3, 2], tf.float32))


def save_here(name: str, network: Function, **inputs: tuple[list[int | None], tf.DType]) -> None:
    """Writes `<name>.tflite` beside this file, for tests of single runtimes."""
    with tempfile.TemporaryDirectory() as folder:
        path = save(name, network, root=Path(folder), **inputs)
        (HERE / f"{name}.tflite").write_bytes(path.read_bytes())


def wide(array: Array) -> Array:
    """The same numbers as float64."""
    return array.astype(np.float64)


def snapped(real: Array, scale: float, zero_point: int) -> Array:
    """The nearest values that an int8 tensor can hold, in real units."""
    return (np.clip(np.rint(real / scale) + zero_point, -128, 127) - zero_point) * scale


def _parameters(detail: Mapping[str, Any]) -> dict[str, Any]:
    scale, zero_point = detail["quantization"]
    return {"scale": float(scale), "zero_point": int(zero_point)}


def save(
    name: str,
    network: Function,
    calibration: Callable[[], Iterator[dict[str, Array]]] | None = None,
    *,
    others: Mapping[str, Function] | None = None,
    root: Path = CONFORMANCE,
    **inputs: tuple[list[int | None], tf.DType],
) -> Path:
    """Writes `<name>.tflite/model.tflite`, all int8 where calibration data are given."""
    signature = [tf.TensorSpec(shape, dtype, key) for key, (shape, dtype) in inputs.items()]
    functions = {DEFAULT: network, **(others or {})}
    module = tf.Module()
    concrete = {
        key: tf.function(each, input_signature=signature).get_concrete_function() for key, each in functions.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=concrete)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=sorted(concrete))
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = calibration
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        content = converter.convert()
    path = new_folder(name, "tflite", root) / "model.tflite"
    path.write_bytes(content)
    return path


if __name__ == "__main__":
    main()
