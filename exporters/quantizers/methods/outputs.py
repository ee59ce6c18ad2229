"""Outputs of a quantized model that stay in float."""

from __future__ import annotations

import onnx_ir as ir

from crossrt.exporters.errors import UnfitRecipeError

_NEEDING = ("Conv", "ConvTranspose")
"""Operators that ONNX Runtime computes on integers only where their result is quantized too."""


def float_outputs(model: ir.Model) -> int:
    """Takes QuantizeLinear and DequantizeLinear away in front of outputs, in place; how many outputs that changed.

    The kernels of Gemm and MatMul take integers and give float, so that the last layer still runs on integers; the
    256 levels of its result, often the largest error of all, are gone.

    Raises:
        UnfitRecipeError: No output is quantized, or only such as kernels need to be.
    """
    changed = 0
    for place, output in enumerate(model.graph.outputs):
        source = _float_source(output)
        if source is None:
            continue
        dequantize, name = output.producer(), output.name
        assert dequantize is not None
        quantize = dequantize.inputs[0].producer() if dequantize.inputs[0] is not None else None
        output.name = f"{name}_dequantized"
        source.name, source.type, source.shape = name, output.type, output.shape
        model.graph.outputs[place] = source
        model.graph.remove([each for each in (dequantize, quantize) if each is not None], safe=True)
        changed += 1
    if not changed:
        raise UnfitRecipeError(
            "quantize_outputs = false changes nothing: no output of the model is the quantized result of a matrix"
            " product or of another operator that gives float from integers"
        )
    return changed


def _float_source(output: ir.Value) -> ir.Value | None:
    """What is quantized and dequantized to give an output that nothing else reads."""
    dequantize = output.producer()
    if dequantize is None or dequantize.op_type != "DequantizeLinear" or output.uses():
        return None
    integers = dequantize.inputs[0]
    quantize = integers.producer() if integers is not None else None
    if integers is None or quantize is None or quantize.op_type != "QuantizeLinear" or len(integers.uses()) > 1:
        return None
    source = quantize.inputs[0]
    maker = None if source is None else source.producer()
    if source is None or maker is None or maker.op_type in _NEEDING or len(source.uses()) > 1:
        return None
    return None if source.is_graph_output() or source.is_graph_input() else source
