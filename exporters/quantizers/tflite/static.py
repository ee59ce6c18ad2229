"""Full integer quantization of a float TFLite file, by the calibrator and the quantizer of TensorFlow Lite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.optimize.calibrator import Calibrator, add_intermediate_tensors

from crossrt.exporters.calibration import Calibration, selection_of
from crossrt.exporters.errors import ExportError, UnfitRecipeError, first_line
from crossrt.exporters.quantizers.tflite.flatbuffer import FlatModel
from crossrt.exporters.recipes.recipe import TfliteStatic


def to_static(model: FlatModel, recipe: TfliteStatic, calibration: Calibration) -> bytes:
    """The file in integers, as the converter would have written it with the same samples.

    Raises:
        UnfitRecipeError: The model has loops, or inputs that the quantizer does not take.
        ExportError: Its samples do not run, or the quantizer fails.
    """
    if model.calls_others:
        raise UnfitRecipeError(
            "TensorFlow Lite's calibrator cannot follow loops and branches, which this model has: use a dynamic or"
            " float16 recipe"
        )
    integers = [f"{each.name} {each.dtype}" for each in calibration.inputs if each.dtype != "float32"]
    if recipe.activation_type == "int16" and integers:
        raise UnfitRecipeError(
            "TensorFlow Lite's quantizer makes int16 activations of models with float32 inputs only; this one takes"
            f" {', '.join(integers)}"
        )
    try:
        return _quantized(model, recipe, calibration)
    except ExportError:
        raise
    except Exception as error:  # the calibrator and the quantizer raise whatever an operator happens to hit
        raise ExportError(f"TensorFlow Lite's quantizer failed: {first_line(error)}") from error


def _quantized(model: FlatModel, recipe: TfliteStatic, calibration: Calibration) -> bytes:
    content = add_intermediate_tensors(model.packed())
    calibrator, io_type = Calibrator(content), tf.dtypes.as_dtype(recipe.io_type)

    def samples() -> Iterator[list[Any]]:
        return _one_by_one(model.input_names(), recipe, calibration)

    if recipe.activation_type == "int16":
        found = calibrator.calibrate_and_quantize(
            samples,
            io_type,
            io_type,
            allow_float=False,
            activations_type=tf.int16,
            bias_type=tf.int64,
            disable_per_channel=not recipe.per_channel,
            disable_per_channel_quantization_for_dense_layers=not recipe.per_channel_dense,
        )
    else:
        found = mlir_quantize(
            calibrator.calibrate(samples),
            disable_per_channel=not recipe.per_channel,
            disable_per_channel_for_dense_layers=not recipe.per_channel_dense,
            input_data_type=io_type,
            output_data_type=io_type,
        )
    return bytes(found)


def _one_by_one(names: list[str], recipe: TfliteStatic, calibration: Calibration) -> Iterator[list[Any]]:
    """Samples in the order of the graph's inputs; as many in a call as a fixed batch takes, else one."""
    which = selection_of(recipe)
    assert which is not None
    for feeds in calibration.feeds(which, most=1):
        yield [feeds[name] for name in names]
