"""TensorFlow to TFLite, in float and in the converter's ways to quantize."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from crossrt.exporters.calibration import NEEDS_CALIBRATION, Calibration, Selection, selection_of
from crossrt.exporters.errors import ExportError, UnfitRecipeError, first_line
from crossrt.exporters.recipes.recipe import ConverterRecipe, TfliteDynamic, TfliteFloat16, TfliteStatic
from crossrt.exporters.tf.serving import Serving


def export_tflite(
    serving: Serving, path: Path, recipe: ConverterRecipe | None, calibration: Calibration | None = None
) -> None:
    """Writes the model as TFLite, with the names of its specs in the signature.

    Raises:
        ExportError: A layer cannot be converted, the weights hold NaN, or calibration data are missing.
    """
    serving.check_weights()
    serving.check_float()
    if isinstance(recipe, TfliteStatic) and calibration is None:
        raise ExportError(NEEDS_CALIBRATION)
    if isinstance(recipe, TfliteStatic) and serving.has_loops():
        raise UnfitRecipeError(
            "the TFLite converter cannot calibrate loops, as recurrent layers (LSTM, GRU, SimpleRNN) have them: use a"
            " dynamic or float16 recipe, or ONNX"
        )
    path.write_bytes(_converted(serving, recipe, calibration))


def _converted(serving: Serving, recipe: ConverterRecipe | None, calibration: Calibration | None) -> bytes:
    """The file; with a fixed batch of 1 where recurrent layers cannot have another."""
    try:
        return _convert_once(serving, recipe, calibration, None)
    except ExportError:
        raise
    except Exception as error:  # the converter raises whatever it happens to hit
        if "TensorList" not in str(error):
            raise ExportError(_refusal(error)) from error
    try:
        return _convert_once(serving, recipe, calibration, 1)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(_refusal(error)) from error


def _convert_once(
    serving: Serving, recipe: ConverterRecipe | None, calibration: Calibration | None, batch: int | None
) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        key = serving.save(Path(folder), batch)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[key])
        if recipe is not None:
            _configure(converter, recipe, serving, calibration)
        return bytes(converter.convert())


def _refusal(error: Exception) -> str:
    text = str(error)
    if found := re.search(r"(?:Flex|Custom) ops: ([^\n]+)", text):
        return (
            f"TFLite has no operator for {found[1].strip()}, which the model needs: replace the layer, or fix its input"
            " shape (batch included) and export again"
        )
    if found := re.search(r"'(tf\.\w+)' op[^\n]*", text):
        return f"the TFLite converter cannot convert {found[1]}: {first_line(found[0])}"
    return f"the TFLite converter failed: {first_line(error)}"


def _configure(
    converter: tf.lite.TFLiteConverter, recipe: ConverterRecipe, serving: Serving, calibration: Calibration | None
) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if isinstance(recipe, TfliteFloat16):
        converter.target_spec.supported_types = [tf.float16]
        return
    _set_granularity(converter, recipe)
    if isinstance(recipe, TfliteStatic):
        which = selection_of(recipe)
        assert which is not None
        assert calibration is not None
        data = calibration
        converter.representative_dataset = lambda: _one_by_one(data, which)
        converter.target_spec.supported_ops = [_operators(recipe)]
        if recipe.io_type != "float32":
            _set_io_type(converter, recipe.io_type, serving)


def _set_io_type(converter: tf.lite.TFLiteConverter, io_type: str, serving: Serving) -> None:
    """Integer inputs and outputs, where the model's own are float32."""
    if all(each.dtype != "float32" for each in serving.inputs):
        raise UnfitRecipeError(
            f"io_type {io_type} is for float32 inputs; the model takes"
            f" {', '.join(f'{each.name} {each.dtype}' for each in serving.inputs)}"
        )
    converter.inference_input_type = tf.dtypes.as_dtype(io_type)
    converter.inference_output_type = tf.dtypes.as_dtype(io_type)


def _set_granularity(converter: tf.lite.TFLiteConverter, recipe: TfliteDynamic | TfliteStatic) -> None:
    """The converter has no public option for it: these are the names that its own tests use."""
    if not recipe.per_channel:
        converter._experimental_disable_per_channel = True
    if not recipe.per_channel_dense:
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True


def _operators(recipe: TfliteStatic) -> tf.lite.OpsSet:
    if recipe.activation_type == "int16":
        return tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    return tf.lite.OpsSet.TFLITE_BUILTINS_INT8


def _one_by_one(calibration: Calibration, which: Selection) -> Iterator[Any]:
    """Samples as the converter takes them: by name of the signature's inputs."""
    names = [each.name for each in calibration.inputs]
    for feeds in calibration.feeds(which, most=1):
        yield _in_order(names, feeds)


def _in_order(names: list[str], feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.generic]]:
    return {name: feeds[name] for name in names}
