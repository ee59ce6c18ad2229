"""What the first layers do to inputs: which values a model expects."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossrt.core.tensor import ExpectedRange
from crossrt.exporters.sources.scaling import expected, factor_text, range_around, range_before

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
            found.append(_normalization(layer))
        elif kind in _GEOMETRY or kind.startswith("Random"):
            found.append(f"{kind} first: part of the model")
        elif kind not in _PASSED:
            break
    return tuple(found)


def expected_range(model: Any, name: str) -> ExpectedRange | None:
    """Values that the first layer with parameters expects of a model's only input; None where it says nothing."""
    for layer in _leading(model):
        kind = type(layer).__name__
        if kind == "Rescaling" and _is_plain(layer):
            scale, offset = float(layer.scale), float(layer.offset)
            return range_before(name, _rescaling_text(scale, offset), scale, offset)
        if kind == "Normalization":
            return range_around(name, kind, *_moments(layer))
        if kind not in (*_PASSED, *_GEOMETRY) and not kind.startswith("Random"):
            return None
    return None


def _normalization(layer: Any) -> str:
    found = range_around("", "", *_moments(layer))
    told = "" if found is None else f", mostly within {found.minimum:.4g} to {found.maximum:.4g}"
    return f"Normalization first: expects raw values, not standardized ones{told}"


def _moments(layer: Any) -> tuple[list[float], list[float]]:
    """Means and standard deviations; nothing where the layer was not adapted."""
    if getattr(layer, "mean", None) is None or getattr(layer, "variance", None) is None:
        return [], []
    mean, variance = (np.asarray(each, np.float64).ravel() for each in (layer.mean, layer.variance))
    return mean.tolist(), np.sqrt(variance).tolist()


def _leading(model: Any) -> list[Any]:
    """Layers in order, those of a leading Sequential in its place."""
    layers: list[Any] = []
    for layer in model.layers:
        layers += _leading(layer) if type(layer).__name__ == "Sequential" else [layer]
    return layers


def _is_plain(layer: Any) -> bool:
    """Whether one factor and one offset hold for all channels."""
    return isinstance(layer.scale, int | float) and isinstance(layer.offset, int | float)


def _rescaling(layer: Any) -> str:
    if not _is_plain(layer):
        return "Rescaling first, channel by channel: expects raw values"
    scale, offset = float(layer.scale), float(layer.offset)
    found = range_before("", "", scale, offset)
    told = expected(scale) if found is None else f"raw values, such as {found.minimum:.4g}..{found.maximum:.4g}"
    return f"{_rescaling_text(scale, offset)} first: expects {told}"


def _rescaling_text(scale: float, offset: float) -> str:
    shift = f", offset={offset:g}" if offset else ""
    return f"Rescaling(scale={factor_text(scale)}{shift})"
