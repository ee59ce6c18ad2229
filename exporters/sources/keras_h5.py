"""Legacy `.h5` files: they may hold code that runs when they are loaded, so they are refused unless allowed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossrt.exporters.errors import ModelError
from crossrt.exporters.sources.keras_file import refusal

if TYPE_CHECKING:
    import keras

RISK = "a legacy .h5 file may hold Python code that runs when it is loaded: use one only from people you trust"


def check(path: Path, *, allow_h5: bool) -> None:
    """Refuses a file that was not allowed.

    Raises:
        ModelError: It was not allowed.
    """
    if not allow_h5:
        raise ModelError(
            f"{path} is refused: {RISK}. Save it again with model.save('name.keras') in Keras 3, or give --allow-h5"
        )


def load(path: Path) -> keras.Model:
    """Loads a model; TensorFlow is needed.

    Raises:
        ModelError: The file is damaged, holds weights alone, or needs code of its own.
    """
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        if "No model config found" in str(error) or "model_config" in str(error):
            raise ModelError(f"{path} holds weights without a model: save the whole model as .keras") from error
        raise ModelError(refusal(path, error)) from error
