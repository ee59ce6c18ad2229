"""Keras to TFLite, in float and in the converter's ways to quantize."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from crossrt.exporters.calibration import calibration_digits, calibration_of
from crossrt.exporters.recipes.recipe import TfliteDynamic, TfliteFloat16, TfliteRecipe, TfliteStatic
from crossrt.exporters.to_onnx import serving_function


def export_tflite(model: keras.Model, path: Path, recipe: TfliteRecipe | None) -> None:
    """Writes the model as TFLite."""
    with tempfile.TemporaryDirectory() as saved_model:
        # the signature carries the tensor names into the file; only Keras's own writer turns variables into constants
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", serving_function(model))
        archive.write_out(saved_model, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=["serve"])
        if recipe is not None:
            _configure(converter, recipe)
        path.write_bytes(converter.convert())


def _configure(converter: tf.lite.TFLiteConverter, recipe: TfliteRecipe) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if isinstance(recipe, TfliteFloat16):
        converter.target_spec.supported_types = [tf.float16]
        return
    _set_granularity(converter, recipe)
    if isinstance(recipe, TfliteStatic):
        calibration = calibration_of(recipe)
        assert calibration is not None
        digits = calibration_digits(calibration)
        converter.representative_dataset = lambda: _one_by_one(digits)
        converter.target_spec.supported_ops = [_operators(recipe)]
        converter.inference_input_type = tf.dtypes.as_dtype(recipe.io_type)
        converter.inference_output_type = tf.dtypes.as_dtype(recipe.io_type)


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


def _one_by_one(digits: NDArray[np.float32]) -> Iterator[list[NDArray[np.float32]]]:
    for digit in digits:
        yield [digit[np.newaxis]]
