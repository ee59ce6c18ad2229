"""Loading a Keras model that takes MNIST digits, and the architecture of the shipped one.

A `.keras` file is code as much as data, so it is loaded in safe mode and never compiled.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from exporters import mnist
from exporters.errors import ModelError

if TYPE_CHECKING:
    import keras

SHIPPED_MODEL = Path(__file__).parent / "models" / "mnist-cnn.keras"
INPUT_NAME = "image"
OUTPUT_NAME = "logits"
MOST_BYTES = 256 * 2**20


def model_name(path: Path) -> str:
    """The name of the model in case ids: the file's name without its suffix.

    Raises:
        ModelError: It holds a sign that case ids use for something else.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", path.stem):
        raise ModelError(f"{path.name} gives no model name: rename it, with letters, digits, '-' and '_' before .keras")
    return path.stem


def check_model_file(path: Path) -> None:
    """Refuses, without importing Keras, what cannot be a `.keras` file of reasonable size.

    Raises:
        ModelError: Missing, not a Keras 3 file, empty or too large.
    """
    if not path.is_file():
        raise ModelError(f"there is no model file {path}: give the path of a .keras file")
    if path.suffix != ".keras":
        raise ModelError(f"{path} is not a .keras file: save the model with model.save('name.keras') in Keras 3")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ModelError(f"{path} has {size} bytes; models of more than {MOST_BYTES} bytes are refused")
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise ModelError(f"{path} ({size} bytes) is not a .keras file: it was damaged, or is of another kind")


def load_model(path: Path) -> keras.Model:
    """Loads a model that maps float32 `(batch, 28, 28, 1)` in 0..1 to `(batch, 10)` class scores.

    Raises:
        ModelError: The file is damaged, needs code of its own, or has other inputs or outputs.
    """
    import keras

    check_model_file(path)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the damaged part happens to hit
        raise ModelError(f"Keras cannot load {path}: {error}") from error
    wanted = ((None, mnist.SIDE, mnist.SIDE, 1), (None, mnist.CLASSES))
    found = (getattr(model, "input_shape", None), getattr(model, "output_shape", None))
    if found != wanted:
        raise ModelError(
            f"{path} maps {found[0]} to {found[1]}; a model for MNIST digits maps {wanted[0]} to {wanted[1]}"
        )
    return model


def mnist_cnn() -> keras.Model:
    """The reference classifier, untrained: two convolution blocks, two dense layers, logits out."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((mnist.SIDE, mnist.SIDE, 1), name=INPUT_NAME),
            *_convolution_block(32),
            *_convolution_block(64),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(mnist.CLASSES, name=OUTPUT_NAME),
        ],
        name="mnist-cnn",
    )


def _convolution_block(filters: int) -> list[keras.Layer]:
    from keras import layers

    # momentum 0.99, the default, leaves moving averages that a short training never fills
    return [
        layers.Conv2D(filters, 3, use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(),
        layers.MaxPooling2D(),
    ]
