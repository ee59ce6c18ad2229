"""Keras to TFLite, in float and in the converter's ways to quantize."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from exporters.artifact import Quantization
from exporters.to_onnx import serving_function


def export_tflite(model: keras.Model, path: Path, how: Quantization | None, digits: NDArray[np.float32] | None) -> None:
    """Writes the model as TFLite; `digits` `(count, 28, 28, 1)` are the representative dataset of static schemes."""
    with tempfile.TemporaryDirectory() as saved_model:
        # the signature carries the tensor names into the file; only Keras's own writer turns variables into constants
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", serving_function(model))
        archive.write_out(saved_model, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=["serve"])
        if how is not None:
            _configure(converter, how, digits)
        path.write_bytes(converter.convert())


def _configure(converter: tf.lite.TFLiteConverter, how: Quantization, digits: NDArray[np.float32] | None) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if how.scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if how.scheme == "static" and digits is not None:
        converter.representative_dataset = lambda: _one_by_one(digits)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.dtypes.as_dtype(how.io_dtype)
        converter.inference_output_type = tf.dtypes.as_dtype(how.io_dtype)


def _one_by_one(digits: NDArray[np.float32]) -> Iterator[list[NDArray[np.float32]]]:
    for digit in digits:
        yield [digit[np.newaxis]]
