"""A float TFLite file quantized by litert-quantizer, the library that was named ai-edge-quantizer before."""

from __future__ import annotations

import importlib.util
from typing import Any, Final

from crossrt.core.install import install_command
from crossrt.exporters.calibration import NEEDS_CALIBRATION, Calibration, selection_of
from crossrt.exporters.errors import ExportError, UnfitRecipeError, first_line
from crossrt.exporters.recipes.library import TfliteLitert

_ALGORITHMS: Final = {"minmax": "MIN_MAX_UNIFORM_QUANT", "mse": "MSE", "octav": "OCTAV", "gptq": "GPTQ"}
_EVERYWHERE: Final = ".*"
_ALL: Final = "*"
_CONVOLUTIONS: Final = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE")


def to_litert(content: bytes, recipe: TfliteLitert, calibration: Calibration | None) -> bytes:
    """The file with the operators quantized that the recipe names.

    Args:
        content: A float TFLite file.
        recipe: What is asked for.
        calibration: Samples, for static recipes and for `gptq`.

    Raises:
        UnfitRecipeError: The library is not installed, or has no such operator.
        ExportError: It fails.
    """
    if importlib.util.find_spec("litert_quantizer") is None:
        raise UnfitRecipeError(
            "tflite-litert recipes need litert-quantizer, which is not installed:"
            f" {install_command('litert-quantizer')}"
        )
    try:
        return _quantized(content, recipe, calibration)
    except ExportError:
        raise
    except Exception as error:  # the library raises whatever an operator happens to hit
        raise ExportError(f"litert-quantizer failed: {type(error).__name__}: {first_line(error)}") from error


def _quantized(content: bytes, recipe: TfliteLitert, calibration: Calibration | None) -> bytes:
    from litert_quantizer import quantizer as library

    quantizer = library.Quantizer(content)
    _configure(quantizer, recipe)
    found = None
    if quantizer.need_calibration:
        if calibration is None:
            raise ExportError(NEEDS_CALIBRATION)
        found = _statistics(quantizer, content, recipe, calibration)
    result = quantizer.quantize(found, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _statistics(quantizer: Any, content: bytes, recipe: TfliteLitert, calibration: Calibration) -> Any:
    """What the library knows of each tensor after the samples."""
    from litert_quantizer.calibrator import Calibrator
    from litert_quantizer.recipe_manager import RecipeManager
    from litert_quantizer.utils.qsv_utils import min_max_update

    which = selection_of(recipe)
    assert which is not None
    samples = {_signature(content): list(calibration.feeds(which, most=1))}  # they are gone through twice
    if recipe.calibrate_method == "moving-average":
        return quantizer.calibrate(samples, num_threads=1)
    manager = RecipeManager()
    manager.load_quantization_recipe(quantizer.get_quantization_recipe())
    calibrator = Calibrator(content, num_threads=1, qsv_update_func=min_max_update)
    calibrator.calibrate(samples, manager)
    return calibrator.get_model_qsvs()


def _configure(quantizer: Any, recipe: TfliteLitert) -> None:
    """Tells the library what to do with which operators; what comes later holds."""
    from litert_quantizer.qtyping import TFLOperationName

    known = [each.value for each in TFLOperationName]
    if unknown := [name for name in (*recipe.operators, *recipe.exclude_operators) if name not in known]:
        raise UnfitRecipeError(
            f"litert-quantizer has no operator {', '.join(unknown)}; it has {', '.join(sorted(set(known) - {_ALL}))}"
        )
    if recipe.others == "int8":
        _add(quantizer, recipe, _ALL, 8, "CHANNELWISE", "minmax")
    granularity = {"per-tensor": "TENSORWISE", "per-channel": "CHANNELWISE"}.get(
        recipe.granularity, f"BLOCKWISE_{recipe.granularity.rpartition('-')[2]}"
    )
    for name in recipe.operators or _covered(recipe):
        _add(quantizer, recipe, name, recipe.weight_bits, granularity, recipe.algorithm)
    ends = ("INPUT", "OUTPUT") if recipe.float_io and recipe.scheme == "static" else ()
    for name in (*ends, *recipe.exclude_operators):
        quantizer.update_quantization_recipe(_EVERYWHERE, TFLOperationName(name), None, "no_quantize")


def _covered(recipe: TfliteLitert) -> tuple[str, ...]:
    """All operators in one, or where others are distinguished, those whose weights the library takes so."""
    if recipe.others == "float":
        return (_ALL,)
    is_dense = recipe.algorithm == "gptq" or recipe.granularity.startswith("block")
    others = () if is_dense else ("CONV_2D",) if recipe.weight_bits == 4 else _CONVOLUTIONS
    return ("FULLY_CONNECTED", *others)


def _add(quantizer: Any, recipe: TfliteLitert, operator: str, bits: int, granularity: str, algorithm: str) -> None:
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import QuantGranularity, TFLOperationName

    common = {"algorithm_key": AlgorithmName[_ALGORITHMS[algorithm]]}
    name, granule = TFLOperationName(operator), QuantGranularity(granularity)
    if recipe.scheme == "static":
        quantizer.add_static_config(_EVERYWHERE, name, recipe.activation_bits, bits, granule, **common)
    elif recipe.scheme == "dynamic":
        quantizer.add_dynamic_config(_EVERYWHERE, name, bits, granule, **common)
    else:
        quantizer.add_weight_only_config(_EVERYWHERE, name, bits, granule, **common)


def _signature(content: bytes) -> str:
    from ai_edge_litert.interpreter import Interpreter

    names = list(Interpreter(model_content=content).get_signature_list())
    if not names:
        raise UnfitRecipeError(
            "litert-quantizer calibrates models with a signature, which this one lacks: use a recipe without"
            " calibration, or tflite-static"
        )
    return str(names[0])
