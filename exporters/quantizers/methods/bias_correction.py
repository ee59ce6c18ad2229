"""Bias correction: what quantization shifts in the mean of a layer's output is taken out of its bias.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV 2019), section 4.2
and appendix D (empirical): the error `E[y~] - E[y]` of each output channel, before the activation, is subtracted from
the bias, layer by layer, each measured with all layers before it corrected. It is measured on the kernels that are
deployed: the quantized file runs in ONNX Runtime at full optimization up to the layer, and the layer's own sums are
computed by its integer kernels, ConvInteger and MatMulInteger, whose 16-bit sums saturate where those of the file do.
A bias that an Add behind a MatMul adds is corrected likewise, as far as its own type can say it: of 8 bits it takes
shifts of half a step of its scale and more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import onnx_ir as ir

from crossrt.datasets.protocol import Arrays
from crossrt.exporters.errors import UnfitRecipeError
from crossrt.exporters.quantizers.methods.added_bias import AddedBias, added_bias
from crossrt.exporters.quantizers.methods.addends import split_addends
from crossrt.exporters.quantizers.methods.integer_sums import IntegerSums, input_of
from crossrt.exporters.quantizers.methods.layers import Array, Layer, array, layers_of, replace
from crossrt.exporters.quantizers.methods.sessions import tensors_of

Feeds = Callable[[], Iterable[Arrays]]
_INT32 = (-(2**31), 2**31 - 1)


def correct_biases(original: ir.Model, quantized: ir.Model, feeds: Feeds) -> int:
    """Corrects the biases of a QDQ file in place; in both models, a computed tensor that a Gemm adds moves into an Add.

    Args:
        original: The float model that it was made of.
        quantized: The QDQ file.
        feeds: Gives the calibration samples anew.

    Returns:
        How many layers have another bias than before.

    Raises:
        UnfitRecipeError: No layer has a bias that can be corrected, or none changes.
        ExportError: ONNX Runtime cannot run a model.
    """
    for model in (original, quantized):
        split_addends(model)
    floats = {each.name: each for each in layers_of(original)}
    layers = [each for each in layers_of(quantized) if each.name in floats and _has_bias(each)]
    if not layers:
        raise UnfitRecipeError(
            "bias_correction = true finds no bias to correct: no Conv or Gemm, and no MatMul with an Add behind it, is"
            " quantized together with its input; leave bias_correction out"
        )
    originals = [floats[each.name] for each in layers]
    changed = 0
    for layer, before, mean in zip(layers, originals, _means(original, originals, feeds), strict=True):
        if (added := added_bias(layer)) is None:
            changed += _correct(layer, mean, quantized, feeds)
        elif (exact := added_bias(before)) is not None:
            changed += added.shift(exact.values + mean - _mean_of_sums(layer, added, quantized, feeds))
    if not changed:
        raise UnfitRecipeError("bias_correction = true changes nothing: no bias is off by half a step")
    return changed


def _has_bias(layer: Layer) -> bool:
    """Whether a layer takes integers and has a bias or room for one: a MatMul has none but that of an Add behind it."""
    has_room = layer.node.op_type in ("Conv", "Gemm") or added_bias(layer) is not None
    return has_room and not layer.adds_tensor and layer.scale is not None and input_of(layer) is not None


def _means(model: ir.Model, layers: Sequence[Layer], feeds: Feeds) -> list[Array]:
    """Mean of each output channel of layers of the float model, `(channels,)` each, float64."""
    names = [each.node.outputs[0].name or "" for each in layers]
    means = [_Mean(_axis(each)) for each in layers]
    for values in tensors_of(model, names, feeds()):
        for mean, each in zip(means, values, strict=True):
            mean.add(each)
    return [mean.value for mean in means]


def _axis(layer: Layer) -> int:
    """Where channels lie in a layer's output."""
    return -1 if layer.node.op_type == "MatMul" else 1


class _Mean:
    """Mean over all axes but that of channels."""

    def __init__(self, axis: int) -> None:
        self._axis, self._total, self._count = axis, np.zeros(1), 0

    def add(self, values: Array) -> None:
        """Adds the values of a call."""
        axes = tuple(axis for axis in range(values.ndim) if axis != self._axis % values.ndim)
        self._total = self._total + values.sum(axis=axes, dtype=np.float64)
        self._count += values.size // values.shape[self._axis]

    @property
    def value(self) -> Array:
        """`(channels,)`, float64."""
        return self._total / self._count


def _correct(layer: Layer, expected: Array, quantized: ir.Model, feeds: Feeds) -> bool:
    """Corrects one layer; whether that changed its bias."""
    source = input_of(layer)
    assert source is not None
    sums, mean = IntegerSums(layer, source), _Mean(_axis(layer))
    for (integers,) in tensors_of(quantized, [source.name], feeds()):
        mean.add(sums.of(integers))
    bias = np.zeros(len(expected), np.int64) if layer.bias is None else array(layer.bias).astype(np.int64)
    found = mean.value + np.broadcast_to(bias, expected.shape)
    corrected = np.clip(bias - np.rint(found - expected / sums.steps).astype(np.int64), *_INT32)
    if (corrected == bias).all():
        return False
    if layer.bias is None:
        _add_bias(layer, corrected, sums.steps)
    else:
        replace(layer.bias, corrected)
    return True


def _mean_of_sums(layer: Layer, added: AddedBias, quantized: ir.Model, feeds: Feeds) -> Array:
    """Mean of what a MatMul gives in the file, `(outputs,)`: as it is quantized, or by its integer kernel."""
    source, mean = input_of(layer), _Mean(_axis(layer))
    assert source is not None
    if added.sums is not None:
        for (integers,) in tensors_of(quantized, [added.sums.name or ""], feeds()):
            mean.add(integers.astype(np.int64))
        return (mean.value - added.sums_zero_point) * added.sums_scale
    sums = IntegerSums(layer, source)
    for (integers,) in tensors_of(quantized, [source.name], feeds()):
        mean.add(sums.of(integers))
    return mean.value * sums.steps


def _add_bias(layer: Layer, values: Array, steps: Array) -> None:
    """Gives a layer without a bias one, as the quantizer writes it: int32 behind a DequantizeLinear."""
    graph, axis = layer.node.graph, {} if steps.size == 1 else {"axis": 0}
    assert graph is not None
    stem = f"{layer.name}_corrected_bias"
    parts = []
    for suffix, content in (("quantized", values.astype(np.int32)), ("scale", steps.astype(np.float32))):
        value = ir.Value(name=f"{stem}_{suffix}", const_value=ir.tensor(content, name=f"{stem}_{suffix}"))
        graph.register_initializer(value)
        parts.append(value)
    dequantize = ir.node("DequantizeLinear", parts, axis, name=f"{stem}_DequantizeLinear")
    dequantize.outputs[0].name = stem
    graph.insert_before(layer.node, dequantize)
    layer.node.resize_inputs(3)
    layer.node.replace_input_with(2, dequantize.outputs[0])
