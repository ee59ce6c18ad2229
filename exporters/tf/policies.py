"""Layers that compute in float16, bfloat16 or float64: rebuilt in float32, which every format and runtime has."""

from __future__ import annotations

from typing import Any

import keras

from crossrt.exporters.errors import ModelError, first_line

_OTHERS = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64")


def in_float32(model: keras.Model) -> tuple[keras.Model, tuple[str, ...]]:
    """The model with all layers in float32, and a note where some were not.

    Raises:
        ModelError: It cannot be rebuilt.
    """
    found = sorted({_policy(layer) for layer in model._flatten_layers()} & set(_OTHERS))
    if not found:
        return model, ()
    try:
        rebuilt = type(model).from_config(_replaced(model.get_config()))
        rebuilt.set_weights([each.astype("float32") if each.dtype.kind == "f" else each for each in _values(model)])
    except Exception as error:  # whatever the configuration of some layer hits
        raise ModelError(
            f"layers compute in {', '.join(found)}, and the model cannot be rebuilt in float32 ({first_line(error)}):"
            " set keras.config.set_dtype_policy('float32') and save it again"
        ) from error
    return rebuilt, (f"layers with the dtype policy {', '.join(found)} are computed in float32, for the reference too",)


def _policy(layer: Any) -> str:
    return str(getattr(getattr(layer, "dtype_policy", None), "name", ""))


def _values(model: Any) -> list[Any]:
    return [keras.ops.convert_to_numpy(each) for each in model.weights]


def _replaced(config: Any) -> Any:
    """A configuration in which every dtype and policy of another precision is float32."""
    if isinstance(config, dict):
        return {
            key: "float32" if key in ("dtype", "name") and _is_other(key, value, config) else _replaced(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_replaced(each) for each in config)
    return config


def _is_other(key: str, value: Any, siblings: dict[str, Any]) -> bool:
    """A dtype of that name; a `name` only where nothing else is configured, as in a policy."""
    return isinstance(value, str) and value in _OTHERS and (key == "dtype" or set(siblings) <= {"name", "source_name"})
