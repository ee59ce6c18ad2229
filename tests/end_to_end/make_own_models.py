"""Makes a user's Keras models, their data and their reference answers in a folder, in one TensorFlow process.

python make_own_models.py FOLDER [--fashion FASHION_MNIST_FOLDER]
"""

from __future__ import annotations

import argparse
import gzip
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
from keras import layers

LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SHOWN = 64
"""Samples whose answers are kept."""


def save(model, path, inputs):
    """Saves a model beside what Keras answers to the first samples: `<name>.answers.npz`, keyed by the output."""
    model.save(path)
    head = {name: values[:SHOWN] for name, values in inputs.items()}
    answers = model.predict(head if len(head) > 1 else next(iter(head.values())), verbose=0)
    if not isinstance(answers, dict):
        answers = {"answer": answers}
    np.savez(path.with_suffix(".answers.npz"), **answers)


def fit(model, x, y, loss, epochs):
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(x, y, epochs=epochs, batch_size=64, verbose=0)


def regression(folder, random):
    """A table of eight columns of different scales, made alike by Normalization; a name with a dot in it."""
    x = (random.normal(size=(1600, 8)) * np.geomspace(0.5, 4, 8) + 1).astype(np.float32)
    z = (x - x.mean(0)) / x.std(0)
    y = 2 * z[:, 0] + z[:, 1] ** 2
    model = keras.Sequential(
        [keras.Input((8,), name="features"), layers.Normalization(), layers.Dense(32, "relu"), layers.Dense(1)]
    )
    model.layers[0].adapt(x)
    fit(model, x[400:], y[400:], "mse", 20)
    save(model, folder / "tab.reg.keras", {"features": x})
    np.savez(folder / "tab.npz", features=x[:400], labels=y[:400])
    np.savez(folder / "tab-calibration.npz", features=x[400:800])


def two_inputs(folder, random):
    """An image and what is known of it, a class and a number."""
    image, meta = keras.Input((16, 16, 3), name="image"), keras.Input((4,), name="meta")
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(image))
    x = layers.Concatenate()([x, meta])
    outputs = {"kind": layers.Dense(5, name="kind")(x), "age": layers.Dense(1, name="age")(x)}
    model = keras.Model({"image": image, "meta": meta}, outputs)
    feeds = {
        "image": random.normal(size=(256, 16, 16, 3)).astype(np.float32),
        "meta": random.normal(size=(256, 4)).astype(np.float32),
    }
    save(model, folder / "two.keras", feeds)
    np.savez(folder / "two.npz", **{name: values[:128] for name, values in feeds.items()})
    np.savez(folder / "two-calibration.npz", **{name: values[128:] for name, values in feeds.items()})


def hundred_classes(folder, random):
    """Images of 0 to 255, rescaled by the model itself, in 100 classes; and the same images divided by 255 already."""
    colours = random.integers(40, 216, (100, 3))
    y = np.arange(1600) % 100
    x = np.clip(colours[y][:, None, None] + random.normal(0, 8, (1600, 32, 32, 3)), 0, 255).astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3), name="pixels"),
            layers.Rescaling(1 / 255.0),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(64, "relu"),
            layers.Dense(100, "softmax"),
        ]
    )
    fit(model, x[400:], y[400:], "sparse_categorical_crossentropy", 25)
    save(model, folder / "hundred.keras", {"pixels": x})
    np.savez(folder / "hundred.npz", pixels=x[:400], labels=y[:400])
    np.savez(folder / "hundred-calibration.npz", pixels=x[400:600])
    np.savez(folder / "hundred-0-to-1.npz", pixels=x[:400] / 255, labels=y[:400])


def recurrent(folder, random):
    """A sequence whose sum is positive or not."""
    x = random.normal(size=(1200, 20, 6)).astype(np.float32)
    y = (x.sum((1, 2)) > 0).astype(np.int64)
    model = keras.Sequential([keras.Input((20, 6), name="sequence"), layers.LSTM(16), layers.Dense(2)])
    fit(model, x[400:], y[400:], LOGITS, 6)
    save(model, folder / "lstm.keras", {"sequence": x})
    np.savez(folder / "lstm.npz", sequence=x[:400], labels=y[:400])
    np.savez(folder / "lstm-calibration.npz", sequence=x[400:600])


def transformer(folder, random):
    """A small vision transformer with GELU, for which of four quarters is the brightest."""
    y = np.arange(1200) % 4
    x = random.normal(size=(1200, 28, 28, 1)).astype(np.float32)
    for row, column, number in ((0, 0, 0), (0, 14, 1), (14, 0, 2), (14, 14, 3)):
        x[y == number, row : row + 14, column : column + 14] += 0.7
    image = keras.Input((28, 28, 1), name="image")
    patches = layers.Reshape((16, 32))(layers.Conv2D(32, 7, strides=7)(image))
    patches = layers.Embedding(16, 32)(np.arange(16)[None]) + patches
    for _ in range(2):
        normal = layers.LayerNormalization()(patches)
        patches = layers.Add()([patches, layers.MultiHeadAttention(2, 16)(normal, normal)])
        hidden = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(patches))
        patches = layers.Add()([patches, layers.Dense(32)(hidden)])
    model = keras.Model(image, layers.Dense(4)(layers.Flatten()(patches)))
    model.compile(keras.optimizers.Adam(0.001), LOGITS)
    model.fit(x[400:], y[400:], epochs=4, batch_size=32, verbose=0)
    save(model, folder / "vit.keras", {"image": x})
    np.savez(folder / "vit.npz", image=x[:400], labels=y[:400])
    np.savez(folder / "vit-calibration.npz", image=x[400:600])


def fashion(folder, source):
    """Zalando's clothes, as the bytes of their IDX files, which the model rescales."""

    def read(name, header):
        with gzip.open(source / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    x = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)[:12_000]
    y = read("train-labels-idx1-ubyte.gz", 8)[:12_000]
    model = keras.Sequential(
        [
            keras.Input((28, 28), name="clothes", dtype="uint8"),
            layers.Rescaling(1 / 255.0),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    model.compile(keras.optimizers.Adam(0.002), LOGITS)
    model.fit(x, y, epochs=3, batch_size=64, verbose=0)
    save(model, folder / "fashion.keras", {"clothes": x})


MADE = (regression, two_inputs, hundred_classes, recurrent, transformer)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fashion", type=Path)
    asked = parser.parse_args()
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    for make in MADE:
        make(asked.folder, random)
    if asked.fashion is not None:
        fashion(asked.folder, asked.fashion)


if __name__ == "__main__":
    main()
