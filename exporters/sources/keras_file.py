"""Loading a Keras model that takes MNIST digits: a file, or one that ships.

A `.keras` file is code as much as data, so it is loaded in safe mode and never compiled.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from crossrt.datasets.mnist import digits as mnist
from crossrt.exporters.errors import ModelError

if TYPE_CHECKING:
    import keras

SHIPPED_FOLDER = Path(__file__).parents[2] / "datasets" / "mnist" / "models"
SHIPPED_MODEL = SHIPPED_FOLDER / "mnist-cnn.keras"
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


def shipped_models() -> tuple[str, ...]:
    """Names of the models that ship, the reference first."""
    names = sorted(path.stem for path in SHIPPED_FOLDER.glob("*.keras"))
    return tuple(sorted(names, key=lambda name: name != SHIPPED_MODEL.stem))


def model_file(named: str) -> Path:
    """The file that a user names: a path, or the name of a model that ships."""
    return SHIPPED_FOLDER / f"{named}.keras" if named in shipped_models() else Path(named)


def check_model_file(path: Path) -> None:
    """Refuses, without importing Keras, what cannot be a `.keras` file of reasonable size.

    Raises:
        ModelError: Missing, not a Keras 3 file, empty or too large.
    """
    if not path.is_file():
        shipped = ", ".join(shipped_models())
        raise ModelError(f"there is no model file {path}: give the path of a .keras file, or one that ships: {shipped}")
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
