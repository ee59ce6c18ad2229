"""How a file was quantized, read from the file: for files without a manifest that names their recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from crossrt.analysis.audit.record import Stored
from crossrt.core.artifact import ModelFormat
from crossrt.exporters.errors import NotAlikeError
from crossrt.exporters.recipes.recipe import Recipe

ALL_SAMPLES: Final = 1_000_000
_DYNAMIC: Final = frozenset(
    ("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulInteger", "ConvInteger")
)
_REDUCED: Final = {"int8": 64, "uint8": 127}
"""Largest integer of a weight that has one bit fewer."""


def inferred_recipe(path: Path, form: ModelFormat) -> Recipe:
    """The recipe whose marks a file has, calibrated by MinMax with all samples there are.

    Types, symmetry, granularity and representation lie in the file; how ranges were chosen does not.

    Raises:
        NotAlikeError: It is not quantized by a static or dynamic recipe.
        ArtifactError: It cannot be read.
    """
    fields = _of_onnx(path) if form == "onnx" else _of_tflite(path)
    try:
        found: Recipe = msgspec.convert(fields, Recipe)
    except msgspec.ValidationError as error:
        raise NotAlikeError(f"{path.name} has the marks of no recipe ({error})") from error
    return found


def said_recipe(recipe: Recipe) -> str:
    """A recipe in words: what of it differs from the defaults of its kind."""
    defaults = {each.name: msgspec.to_builtins(each.default) for each in msgspec.structs.fields(recipe)}
    fields = msgspec.to_builtins(recipe)
    told = [
        name if value is True else f"{name} {value}"
        for name, value in fields.items()
        if name not in ("kind", "calibration_samples") and (isinstance(value, str) or value != defaults[name])
        if name not in ("calibrate_method", "io_type")
    ]
    return ", ".join((str(fields["kind"]), *told))


def _of_onnx(path: Path) -> Mapping[str, Any]:
    from crossrt.analysis.audit.onnx_reading import read_onnx
    from crossrt.analysis.onnx_graph import Graph

    graph = Graph.load(path)
    kinds = {node.op_type for node in graph.nodes}
    if "MatMulNBits" in kinds:
        raise NotAlikeError(f"{path.name} has weights in blocks")
    if kinds & _DYNAMIC:
        weights = [values for name, values in graph.constants.items() if name.endswith("_quantized")]
        zeros = [values for name, values in graph.constants.items() if name.endswith("_zero_point")]
        if not weights:
            raise NotAlikeError(f"{path.name} has no weights that ONNX Runtime's quantizer named")
        return {
            "kind": "onnx-dynamic",
            "weight_type": weights[0].dtype.name,
            "per_channel": any(values.size > 1 for values in zeros),
            "weight_symmetric": all(not values.any() for values in zeros),
            "reduce_range": _is_reduced(weights[0].dtype.name, weights),
        }
    stored = read_onnx(graph)
    is_integer = any(kind.startswith("QLinear") or kind == "QGemm" for kind in kinds)
    return {
        "kind": "onnx-static",
        "quant_format": "qoperator" if is_integer else "qdq",
        "calibration_samples": ALL_SAMPLES,
        **_static_fields(stored, path, _of_layers(path)),
    }


def _of_layers(path: Path) -> frozenset[str]:
    """Names of weights that layers take: constant operands of other operators are quantized like activations."""
    from crossrt.analysis.findings.onnx_file import read_onnx_file

    return frozenset(each.weight.name for each in read_onnx_file(path).layers if each.weight is not None)


def _static_fields(stored: Sequence[Stored], path: Path, of_layers: frozenset[str]) -> Mapping[str, Any]:
    activations = [each for each in stored if each.role == "activation"]
    weights = [each for each in stored if each.role == "weight"]
    if not activations or not weights:
        raise NotAlikeError(f"{path.name} has no quantized activations or no quantized weights")
    weights = [each for each in weights if each.name in of_layers] or weights
    activation_type, weight_type = _most(activations), _most(weights)
    layers = [each for each in weights if each.dtype == weight_type]
    return {
        "activation_type": activation_type,
        "weight_type": weight_type,
        "per_channel": any(each.affine.scale.size > 1 for each in layers),
        "activation_symmetric": all(each.is_symmetric for each in activations),
        "weight_symmetric": all(each.is_symmetric for each in layers),
        "reduce_range": _is_reduced(weight_type, [each.integers for each in layers if each.integers is not None]),
    }


def _of_tflite(path: Path) -> Mapping[str, Any]:
    from crossrt.analysis.audit.tflite_file import open_tflite, stored_in_tflite

    stored = stored_in_tflite(open_tflite(path))
    activations = [each for each in stored if each.role == "activation"]
    weights = [each for each in stored if each.role == "weight"]
    granularity = {"per_channel": any(each.affine.scale.size > 1 for each in weights)}
    if not activations:
        return {"kind": "tflite-dynamic", **granularity}
    activation_type = "int16" if _most(activations) == "int16" else "int8"
    return {
        "kind": "tflite-static",
        "activation_type": activation_type,
        "calibration_samples": ALL_SAMPLES,
        **granularity,
    }


def _most(stored: Sequence[Stored]) -> str:
    return Counter(each.dtype for each in stored).most_common(1)[0][0]


def _is_reduced(dtype: str, weights: Sequence[Any]) -> bool:
    most = _REDUCED.get(dtype)
    return most is not None and bool(weights) and all(np.abs(each.astype(np.int64)).max() <= most for each in weights)
