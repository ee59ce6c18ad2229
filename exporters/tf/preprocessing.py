"""What the first layers do to inputs: which values a model expects."""

from __future__ import annotations

from typing import Any

from crossrt.exporters.sources.scaling import expected, factor_text

_PASSED = ("InputLayer", "Dropout", "GaussianNoise", "Identity")
_GEOMETRY = ("Resizing", "CenterCrop", "ZeroPadding2D")


def preprocessing_of(model: Any) -> tuple[str, ...]:
    """One line for each leading layer that rescales, normalizes or resizes."""
    found: list[str] = []
    for layer in _leading(model):
        kind = type(layer).__name__
        if kind == "Rescaling":
            found.append(_rescaling(layer))
        elif kind == "Normalization":
            found.append("Normalization first: expects raw values, not standardized ones")
        elif kind in _GEOMETRY or kind.startswith("Random"):
            found.append(f"{kind} first: part of the model")
        elif kind not in _PASSED:
            break
    return tuple(found)


def _leading(model: Any) -> list[Any]:
    """Layers in order, those of a leading Sequential in its place."""
    layers: list[Any] = []
    for layer in model.layers:
        layers += _leading(layer) if type(layer).__name__ == "Sequential" else [layer]
    return layers


def _rescaling(layer: Any) -> str:
    if not isinstance(layer.scale, int | float) or not isinstance(layer.offset, int | float):
        return "Rescaling first, channel by channel: expects raw values"
    scale, offset = float(layer.scale), float(layer.offset)
    shift = f", offset={offset:g}" if offset else ""
    return f"Rescaling(scale={factor_text(scale)}{shift}) first: expects {expected(scale)}"
