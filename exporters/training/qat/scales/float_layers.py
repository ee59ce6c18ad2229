"""A single Keras layer as ONNX, for those that stay in float."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx


def layer_as_onnx(layer: Any, shapes: Sequence[tuple[int, ...]]) -> onnx.ModelProto:
    """Converts a layer.

    Args:
        layer: It.
        shapes: Of its inputs, without the batch.

    Raises:
        ExportError: It cannot be converted.
    """
    import keras

    from crossrt.exporters.tf.keras_model import keras_serving
    from crossrt.exporters.tf.to_onnx import export_onnx

    inputs = [keras.Input(shape, name=f"taken_{place:02}") for place, shape in enumerate(shapes)]
    model = keras.Model(inputs, layer(inputs[0] if len(inputs) == 1 else inputs))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.onnx"
        export_onnx(keras_serving(model, layer.name), path)
        return onnx.load(path)
