"""Settings that no quantizer takes together, told before anything is built."""

from __future__ import annotations

from crossrt.exporters.recipes.library import OnnxNncf, TfliteLitert
from crossrt.exporters.recipes.recipe import OnnxStatic, OnnxWeightOnly, Recipe, TfliteDynamic, TfliteStatic

_WIDE = ("int16", "uint16")
_NARROW = ("int4", "uint4")
_DEFAULT_ALPHA = OnnxNncf().smooth_quant_alpha


def impossible(recipe: Recipe) -> str | None:
    """Why a recipe cannot be built, or None where nothing speaks against it."""
    if isinstance(recipe, OnnxStatic):
        return _impossible_static(recipe)
    if isinstance(recipe, OnnxWeightOnly):
        return _impossible_weight_only(recipe)
    if isinstance(recipe, OnnxNncf) and recipe.smooth_quant_alpha != _DEFAULT_ALPHA and not recipe.transformer:
        return "smooth_quant_alpha has a meaning with transformer = true only"
    if isinstance(recipe, TfliteLitert):
        return _impossible_litert(recipe)
    if isinstance(recipe, TfliteDynamic | TfliteStatic) and recipe.per_channel_dense and not recipe.per_channel:
        return "per_channel_dense needs per_channel: set per_channel_dense = false as well"
    if isinstance(recipe, TfliteStatic) and recipe.io_type not in ("float32", *_tflite_io(recipe)):
        allowed = ", ".join(("float32", *_tflite_io(recipe)))
        return f"io_type {recipe.io_type} does not go with {recipe.activation_type} activations: choose {allowed}"
    return None


def _impossible_weight_only(recipe: OnnxWeightOnly) -> str | None:
    if recipe.algorithm in ("k-quant", "hqq") and recipe.weight_symmetric:
        return f"{recipe.algorithm} finds zero points: set weight_symmetric = false"
    if recipe.algorithm == "hqq" and recipe.bits != 4:
        return "hqq has zero points that are not whole numbers, with which ONNX Runtime takes 4 bits only: set bits = 4"
    return None


def _impossible_litert(recipe: TfliteLitert) -> str | None:
    is_block = recipe.granularity.startswith("block")
    if is_block and (recipe.weight_bits != 4 or recipe.scheme != "dynamic"):
        return f"litert-quantizer has {recipe.granularity} for weight_bits = 4 with scheme = 'dynamic' only"
    if recipe.algorithm == "octav" and is_block:
        return "octav takes no blocks: set granularity = 'per-channel', or algorithm = 'minmax'"
    if recipe.algorithm == "gptq" and recipe.calibrate_method == "minmax":
        return "gptq takes calibrate_method = 'moving-average' only"
    if recipe.activation_bits == 16 and recipe.scheme != "static":
        return "activation_bits = 16 needs scheme = 'static': other schemes have no calibrated activations"
    return None


def _tflite_io(recipe: TfliteStatic) -> tuple[str, ...]:
    return ("int16",) if recipe.activation_type == "int16" else ("int8", "uint8")


def _impossible_static(recipe: OnnxStatic) -> str | None:
    types = (recipe.activation_type, recipe.weight_type)
    if recipe.activation_type == "int8" and recipe.weight_type == "uint8":
        return "ONNX Runtime has no kernels for int8 activations with uint8 weights: make the weights int8"
    if recipe.quant_format == "qoperator" and any(each in (*_WIDE, *_NARROW) for each in types):
        wide = next(each for each in types if each in (*_WIDE, *_NARROW))
        return f"qoperator has 8-bit operators only, not {wide}: use quant_format = 'qdq'"
    if recipe.reduce_range and recipe.weight_type not in ("int8", "uint8"):
        return f"reduce_range makes 8-bit weights 7-bit and means nothing for {recipe.weight_type}"
    if recipe.calibration_symmetric and recipe.calibrate_method == "distribution":
        return "distribution takes no calibration_symmetric: its ranges follow from mean and deviation"
    if recipe.keep_removable_activations and recipe.quant_format != "qdq":
        return "keep_removable_activations is for quant_format = 'qdq'"
    if recipe.nodes_to_16_bit and (recipe.quant_format, recipe.activation_type) != ("qdq", "uint8"):
        return "nodes_to_16_bit is for quant_format = 'qdq' with activation_type = 'uint8'"
    if recipe.nodes_per_channel and (recipe.per_channel or recipe.quant_format != "qdq"):
        return "nodes_per_channel is for quant_format = 'qdq' with per_channel = false"
    return _impossible_method(recipe)


def _impossible_method(recipe: OnnxStatic) -> str | None:
    if recipe.quant_format != "qdq":
        asked = {
            "bias_correction": recipe.bias_correction,
            "weight_rounding": recipe.weight_rounding != "nearest",
            "quantize_outputs = false": not recipe.quantize_outputs,
        }
        if found := [name for name, is_asked in asked.items() if is_asked]:
            return f"only QDQ files can be changed afterwards: {' and '.join(found)} needs quant_format = 'qdq'"
    if recipe.calibrate_method == "mse" and (recipe.calibration_symmetric or recipe.activation_type in _WIDE):
        other = "calibration_symmetric" if recipe.calibration_symmetric else f"{recipe.activation_type} activations"
        return f"calibrate_method mse chooses ranges for 8-bit activations and goes with no {other}"
    return None
