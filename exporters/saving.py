"""Models that are objects of the caller's, saved so that other processes can read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossrt.exporters.errors import ModelError


def saved_model(model: Any, stem: Path) -> Path:
    """Where a model is, saved first to a path like `stem` if it is a Keras model or an `onnx.ModelProto`.

    Raises:
        ModelError: It is something else.
    """
    if isinstance(model, str | Path):
        return Path(model)
    if hasattr(model, "SerializeToString"):
        path = stem.with_suffix(".onnx")
        path.write_bytes(model.SerializeToString())
        return path
    if hasattr(model, "save") and hasattr(model, "get_config"):
        path = stem.with_name(f"{getattr(model, 'name', stem.name)}.keras")
        model.save(path)
        return path
    raise ModelError(
        f"an object of type {type(model).__name__} is not a model that crossrt takes: give a path, a Keras model or an"
        " onnx.ModelProto"
    )
