"""Keras 3 files. Such a file is code as much as data, so it is loaded in safe mode and never compiled."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from crossrt.exporters.errors import ModelError, first_line

if TYPE_CHECKING:
    import keras

MOST_BYTES = 8 * 2**30
_PARTS = ("config.json", "model.weights.h5")


def check(path: Path) -> None:
    """Refuses, without importing Keras, what is not a `.keras` file of reasonable size.

    Raises:
        ModelError: The archive is damaged, holds something else, or unpacks to more than any model.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = {each.filename: each.file_size for each in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ModelError(f"{path} ({size} bytes) is a damaged .keras file: {first_line(error)}") from error
    if missing := [name for name in _PARTS if name not in members]:
        raise ModelError(
            f"{path} is a zip archive without {' and '.join(missing)}, not a Keras model: save it with"
            " model.save('name.keras') in Keras 3"
        )
    if sum(members.values()) > MOST_BYTES:
        raise ModelError(f"{path} unpacks to {sum(members.values())} bytes; more than {MOST_BYTES} are refused")


def load(path: Path) -> keras.Model:
    """Loads a model; Keras and one of its backends are needed.

    Raises:
        ModelError: The file is damaged, or needs code of its own.
    """
    import keras

    check(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the damaged part happens to hit
        raise ModelError(refusal(path, error)) from error


def refusal(path: Path, error: Exception) -> str:
    """Why Keras cannot load a file, in one line."""
    text = str(error)
    if "QuantizationAware" in text and "Could not locate" in text:
        return (
            f"{path} has fake quantization, for a training loop of one's own: crossrt.export_quantized in Python writes"
            " it as ONNX and TFLite"
        )
    if "Could not locate" in text or ("custom" in text and "register" in text):
        return (
            f"{path} needs Python code that is not in it ({_missing(text)}): save it without custom layers, or bring"
            " a SavedModel (model.export('folder')) or an ONNX file"
        )
    if "Lambda" in text:
        return (
            f"{path} holds a Lambda layer, which is code that crossrt does not run: replace it by a layer of Keras, or"
            " bring a SavedModel (model.export('folder')) or an ONNX file"
        )
    return f"Keras cannot load {path}: {first_line(error)}"


def _missing(text: str) -> str:
    """The class or function that Keras looked for."""
    found = re.search(r"Could not locate (class|function|object) '([^']+)'", text)
    return f"the {found[1]} {found[2]}" if found else first_line(text, most=120)
