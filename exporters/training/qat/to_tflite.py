"""A frozen network as TFLite: the converter takes every scale from fake quantization, and needs no data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ExportError, first_line
from crossrt.exporters.tf.serving import tensor_sizes
from crossrt.exporters.training.qat.arithmetic.on_tensorflow import compute, on_weight_grid, rectified
from crossrt.exporters.training.qat.frozen import Frozen, FrozenStep
from crossrt.exporters.training.qat.graph import Convolution, Input, Island
from crossrt.exporters.training.qat.tflite_weights import with_trained_weights
from crossrt.exporters.training.qat.trained import scope_of, step_number


class FrozenModule(tf.Module):  # type: ignore[misc]
    """A frozen network in TensorFlow."""

    def __init__(self, frozen: Frozen, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        super().__init__()
        self._frozen, self._outputs = frozen, [each.name for each in outputs]
        islands = [each.step.op.layer for each in frozen.steps.values() if isinstance(each.step.op, Island)]
        # a function, as what a module holds is saved with it
        self._weights_of = {id(layer): _values(layer) for layer in islands}.__getitem__
        signature = [tf.TensorSpec(tensor_sizes(each), each.dtype, name=each.name) for each in inputs]
        self.serve = tf.function(self._serve, input_signature=signature)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def _serve(self, *inputs: Any) -> dict[str, Any]:
        tensors: dict[str, Any] = {}
        for number, (name, each) in enumerate(self._frozen.steps.items()):
            op = each.step.op
            taken = [inputs[op.place]] if isinstance(op, Input) else [tensors[source] for source in each.step.inputs]
            with tf.name_scope(scope_of(number, name)):
                tensors[name] = self._step(each, taken)
        ends = zip(self._outputs, self._frozen.outputs, strict=True)
        return {name: tf.identity(tensors[end]) for name, end in ends}

    def _step(self, each: FrozenStep, taken: list[Any]) -> Any:
        if isinstance(each.step.op, Island):
            return self._quantized(self._island(each.step.op.layer, taken), each)
        kernel = bias = None
        if each.weights is not None:
            kernel, bias = self._weights(each)
        # the upper end of a ReLU is that of its range
        relu = None if each.step.relu is None else np.inf
        return self._quantized(rectified(compute(each.step.op, taken, kernel, bias), relu), each)

    def _island(self, layer: Any, taken: list[Any]) -> Any:
        """The result of a Keras layer whose weights are constants: the file holds no variables."""
        weights = ([tf.constant(each) for each in group] for group in self._weights_of(id(layer)))
        return layer.stateless_call(*weights, taken[0] if len(taken) == 1 else taken)[0]

    def _quantized(self, result: Any, each: FrozenStep) -> Any:
        if each.affine is None:
            return result
        return tf.quantization.fake_quant_with_min_max_args(result, each.affine.low, each.affine.high, num_bits=8)

    def _weights(self, each: FrozenStep) -> tuple[Any, Any]:
        weights, op = each.weights, each.step.op
        source = self._frozen.source(each.step).affine
        assert weights is not None
        assert source is not None
        kernel = tf.constant(weights.kernel(weights.integers.shape))
        if isinstance(op, Convolution):  # the converter cannot transpose what has a scale for each channel
            kernel = on_weight_grid(kernel, tf.constant(weights.scales), 8)
        if isinstance(op, Convolution) and op.is_depthwise:
            kernel = tf.reshape(kernel, op.kernel.shape)
        return kernel, tf.constant(weights.bias.astype(np.float64) * weights.bias_scales(source), tf.float32)


def _values(layer: Any) -> tuple[list[Any], list[Any]]:
    """The weights of a layer, as `stateless_call` takes them."""
    groups = layer.trainable_variables, layer.non_trainable_variables
    trainable, others = ([each.numpy() for each in group] for group in groups)
    return trainable, others


def write_tflite(frozen: Frozen, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], path: Path) -> None:
    """Writes the file; inputs and outputs stay float32.

    Raises:
        ExportError: The converter refuses it.
    """
    module = FrozenModule(frozen, inputs, outputs)
    try:
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder, signatures={"serve": module.serve})
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            content = bytes(converter.convert())
    except Exception as error:  # the converter raises whatever it happens to hit
        raise ExportError(f"the TFLite converter failed: {first_line(error)}") from error
    path.write_bytes(with_trained_weights(content, frozen, step_number))
