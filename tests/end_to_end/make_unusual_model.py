"""Makes a Keras model that is hard to audit, and data for it: `python make_unusual_model.py FOLDER`.

Constant operands, operators that write over what they take, operators with a fixed scale, pooling between tensors that
share one, a dead layer, weights and constants next to nothing, and a bias that is large for its weights.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from keras import layers, ops

SHAPE = (16, 16, 3)
MEAN = 255 / 2


def constant(value):
    return keras.initializers.Constant(value)


def model() -> keras.Model:
    image = keras.Input(SHAPE, name="image")
    x = layers.Rescaling(1 / MEAN, offset=-1)(image)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.GroupNormalization(groups=2)(x)
    x = x * 0.5 + 0.25
    dead = layers.Conv2D(4, 3, padding="same", activation="relu", bias_initializer=constant(-1e3))(x)
    x = layers.Concatenate()([x, dead, layers.Conv2D(4, 1)(x)])
    x = layers.LayerNormalization()(x)
    x = x + x * 1e-9
    x = layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)])
    x = layers.Dense(16, activation="tanh")(1.5 - x)
    gate = layers.Dense(16, activation="sigmoid")(x)
    x = ops.minimum(x, gate) / (gate + 1e-7)
    classes = layers.Dense(5, activation="softmax", name="classes")(x)
    offset = layers.Dense(2, kernel_initializer="zeros", bias_initializer=constant(-3.0), name="offset")(x)
    return keras.Model(image, [classes, offset])


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    model().save(folder / "unusual.keras")
    images = np.random.default_rng(0).uniform(0, 255, (200, *SHAPE)).astype(np.float32)
    np.savez(folder / "unusual.npz", image=images)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
