"""Keras to float32 ONNX, through tf2onnx and onnxslim."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnxslim
import tensorflow as tf
import tf2onnx

from crossrt.datasets.mnist import digits as mnist
from crossrt.exporters.errors import ExportError
from crossrt.exporters.sources.keras_file import INPUT_NAME, OUTPUT_NAME

if TYPE_CHECKING:
    import keras

OPSET = 18  # the newest that tf2onnx 1.17 writes
BATCH = "batch"


def serving_function(model: keras.Model) -> tf.types.experimental.PolymorphicFunction:
    """The model as a function from `image` `(batch, 28, 28, 1)` to `{"logits": (batch, 10)}`.

    The dict gives the output a stable name; `tf2onnx.convert.from_keras` fails on Keras 3
    (https://github.com/onnx/tensorflow-onnx/issues/2448).
    """
    signature = [tf.TensorSpec((None, mnist.SIDE, mnist.SIDE, 1), tf.float32, name=INPUT_NAME)]

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT_NAME: model(image, training=False)}

    return tf.function(serve, input_signature=signature)


def export_onnx(model: keras.Model, path: Path) -> None:
    """Writes the model as float32 ONNX with a dynamic dimension named `batch`.

    Raises:
        ExportError: The graph kept an operator that should have been folded away.
    """
    function = serving_function(model)
    converted, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=OPSET)
    for value in (*converted.graph.input, *converted.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    # Flatten leaves a Shape/Gather/Concat chain that blocks fusion; slimming also makes the bytes reproducible
    slimmed = onnxslim.slim(converted)
    left_over = {"Shape", "BatchNormalization"} & {node.op_type for node in slimmed.graph.node}
    if left_over:
        raise ExportError(
            f"the ONNX graph still holds {', '.join(sorted(left_over))}: this model cannot be quantized well"
        )
    onnx.checker.check_model(slimmed)
    onnx.save(slimmed, path)
