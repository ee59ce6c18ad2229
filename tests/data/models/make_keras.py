"""Makes the Keras files of the conformance suite: `python tests/data/models/make_keras.py`, with TensorFlow.

Each shows one thing that a model of somebody else may have. The answers are computed by numpy in float64.
"""

import os
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from writing import BATCH, Array, describe, new_folder, random, spec, store

SAMPLES = 3


def main() -> None:
    """Writes all of them."""
    for make in (image, two_inputs, indices_and_pixels, fixed_batch, half_floats, empty_tensor):
        make()


def image() -> None:
    """A convolution on `(batch, height, width, channels)`."""
    pixels, kernel, dense = random(SAMPLES, 8, 6, 3), random(3, 3, 3, 4, seed=1), random(24, 5, seed=2)
    taken = keras.Input((8, 6, 3), name="image")
    hidden = keras.layers.Conv2D(4, 3, strides=2, activation="relu", use_bias=False)(taken)
    given = keras.layers.Dense(5, use_bias=False, name="logits")(keras.layers.Flatten()(hidden))
    path = save("image.fp32", taken, given, kernel, dense)
    describe(path, [spec("image", "float32", BATCH, 8, 6, 3)], [spec("logits", "float32", BATCH, 5)])
    windows = np.lib.stride_tricks.sliding_window_view(wide(pixels), (3, 3), axis=(1, 2))[:, ::2, ::2]
    sums = np.maximum(np.einsum("nhwcij,ijcf->nhwf", windows, wide(kernel)), 0)
    store(path.parent, {"image": pixels}, {"logits": sums.reshape(SAMPLES, -1) @ wide(dense)})


def two_inputs() -> None:
    """Two inputs by name, two outputs, both in another order than that of their names."""
    left, right, a, b = random(SAMPLES, 4), random(SAMPLES, 3, seed=1), random(4, 2, seed=2), random(3, 2, seed=3)
    taken = {"right": keras.Input((3,), name="right"), "left": keras.Input((4,), name="left")}
    rights = keras.layers.Dense(2, use_bias=False)(taken["right"])
    lefts = keras.layers.Dense(2, use_bias=False)(taken["left"])
    given = {
        "total": keras.layers.Add()([lefts, rights]),
        "gap": keras.layers.ReLU()(keras.layers.Subtract()([lefts, rights])),
    }
    path = save("pair.fp32", taken, given, a, b)
    describe(
        path,
        [spec("left", "float32", BATCH, 4), spec("right", "float32", BATCH, 3)],
        [spec("gap", "float32", BATCH, 2), spec("total", "float32", BATCH, 2)],
    )
    ours, theirs = wide(left) @ wide(a), wide(right) @ wide(b)
    answers = {"total": ours + theirs, "gap": np.maximum(ours - theirs, 0)}
    store(path.parent, {"left": left, "right": right}, answers)


def indices_and_pixels() -> None:
    """int64 and uint8 inputs that stand for themselves, and a dynamic dimension that is not the batch."""
    rng, table = np.random.default_rng(0), random(7, 3)
    tokens, pixels = rng.integers(0, 7, (SAMPLES, 5)), rng.integers(0, 256, (SAMPLES, 3), np.uint8)
    taken = [keras.Input((None,), name="tokens", dtype="int64"), keras.Input((3,), name="pixels", dtype="uint8")]
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(7, 3)(taken[0]))
    given = keras.layers.Add(name="y")([pooled, keras.layers.Rescaling(1 / 255)(taken[1])])
    path = save("tokens.int64", taken, given, table)
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
    taken = keras.Input(batch_shape=(4, 6), name="x")
    path = save("fixed.fp32", taken, keras.layers.Dense(3, use_bias=False, name="y")(taken), dense)
    describe(path, [spec("x", "float32", 4, 6)], [spec("y", "float32", 4, 3)], size=4)
    store(path.parent, {"x": x}, {"y": wide(x) @ wide(dense)})


def half_floats() -> None:
    """float16 in and out."""
    x, gain = random(SAMPLES, 6).astype(np.float16), random(6, 3, seed=1)
    taken = keras.Input((6,), name="x", dtype="float16")
    hidden = keras.layers.Dense(3, use_bias=False, dtype="float32")(taken)
    path = save("half.fp16", taken, keras.layers.Identity(dtype="float16", name="y")(hidden), gain)
    describe(path, [spec("x", "float16", BATCH, 6)], [spec("y", "float16", BATCH, 3)])
    store(path.parent, {"x": x}, {"y": wide(x) @ wide(gain)})


def empty_tensor() -> None:
    """An input and an output without elements."""
    x, extra = random(SAMPLES, 3), np.zeros((SAMPLES, 0), np.float32)
    taken = [keras.Input((3,), name="x"), keras.Input((0,), name="extra")]
    both = keras.layers.Concatenate(axis=1)(taken)
    given = [keras.layers.Rescaling(-1.0, name="y")(both), keras.layers.ReLU(name="rest")(taken[1])]
    path = save("empty.fp32", taken, given)
    describe(
        path,
        [spec("x", "float32", BATCH, 3), spec("extra", "float32", BATCH, 0)],
        [spec("y", "float32", BATCH, 3), spec("rest", "float32", BATCH, 0)],
    )
    store(path.parent, {"x": x, "extra": extra}, {"y": -wide(x), "rest": extra})


def wide(array: Array) -> Array:
    """The same numbers as float64."""
    return array.astype(np.float64)


def save(name: str, taken: Any, given: Any, *weights: Array) -> Path:
    """Writes `<name>.keras/model.keras` with these weights, in the order of its layers."""
    model = keras.Model(taken, given)
    model.set_weights(weights)
    path = new_folder(name, "keras") / "model.keras"
    model.save(path)
    return path


if __name__ == "__main__":
    main()
