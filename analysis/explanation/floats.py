"""Why a layer is computed in float: what the graph that was written to the file shows around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import onnx

from crossrt.analysis.explanation.graph import DEQUANTIZE, LAYOUT, QUANTIZE, Graph, named, same_scheme, scheme_of
from crossrt.exporters.recipes.recipe import OnnxStatic

_EIGHT_BITS: Final = ("int8", "uint8")
_SEEN_THROUGH: Final = LAYOUT | {"Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh"}
"""Operators that a runtime leaves out, or fuses into the one before."""
_TAKE_CHANNELS: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_ONE_SCALE: Final = ("MaxPool", "Slice", "Gather", "Resize", "Pad", "Split", "TopK")
"""Operators that pick values: integers pass through them where one scale holds before and behind."""


def layer_of(written: Graph, kernel: onnx.NodeProto) -> onnx.NodeProto | None:
    """The node of the file that an optimised float kernel comes from.

    A kernel makes the tensor of its node, or is named after its node or its tensor. Where an activation was fused into
    it, the tensor is that of the activation.
    """
    maker = node = written.makers.get(kernel.output[0]) or _named_alike(written, kernel.name)
    while node is not None and node.op_type not in kernel.op_type and node.op_type in _SEEN_THROUGH:
        node = written.makers.get(node.input[0])
    return node if node is not None and node.op_type in kernel.op_type else maker


def _named_alike(written: Graph, name: str) -> onnx.NodeProto | None:
    """The node of the longest name, its own or its tensor's, with which another name begins."""
    names = {each: node for node in written.nodes for each in (node.name, node.output[0]) if each}
    fitting = [each for each in names if name.startswith(each)]
    return names[max(fitting, key=len)] if fitting else None


def reasons_for(written: Graph, layer: onnx.NodeProto, recipe: OnnxStatic) -> list[str]:
    """All that speaks against an integer kernel in the place of a layer."""
    asked = list(_asked(layer, recipe))
    if asked or recipe.quant_format == "qoperator":
        return asked or list(_in_qoperator(layer))
    if not _is_surrounded(written, layer):
        return list(_untouched(layer))
    found = [*_inputs(written, layer), *_outputs(written, layer), *_types(written, layer), *_scales(written, layer)]
    return found or [_complete(written, layer)]


def _asked(layer: onnx.NodeProto, recipe: OnnxStatic) -> Iterator[str]:
    if layer.name in recipe.nodes_to_exclude:
        yield "the recipe excludes it by name (nodes_to_exclude)"
    if recipe.op_types_to_quantize and layer.op_type not in recipe.op_types_to_quantize:
        yield f"the recipe leaves out {layer.op_type} (op_types_to_quantize)"


def _in_qoperator(layer: onnx.NodeProto) -> Iterator[str]:
    from onnxruntime.quantization.registry import QLinearOpsRegistry

    if layer.op_type not in QLinearOpsRegistry:
        yield f"the quantizer has no integer operator for {layer.op_type}"


def _untouched(layer: onnx.NodeProto) -> Iterator[str]:
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    if layer.op_type not in {*QDQRegistry, *QLinearOpsRegistry}:
        yield f"the quantizer does not quantize {layer.op_type}"


def _is_surrounded(written: Graph, layer: onnx.NodeProto) -> bool:
    """True if the quantizer put a conversion before or behind it."""
    before = any(_dequantize(written, name) is not None for name in layer.input)
    return before or any(node.op_type == QUANTIZE for name in layer.output for node in written.readers(name))


def _dequantize(written: Graph, tensor: str) -> onnx.NodeProto | None:
    maker = written.makers.get(tensor)
    return maker if maker is not None and maker.op_type == DEQUANTIZE else None


def _inputs(written: Graph, layer: onnx.NodeProto) -> Iterator[str]:
    for name in filter(None, layer.input):
        if name in written.constants or _dequantize(written, name) is not None:
            continue
        maker = written.makers.get(name)
        source = "is an input of the model" if maker is None else f"comes from {named([maker])}"
        yield f"its input {name} {source}, in float"


def _outputs(written: Graph, layer: onnx.NodeProto) -> Iterator[str]:
    """An integer kernel gives its result to one QuantizeLinear, and to nobody else."""
    name = layer.output[0]
    readers = written.readers(name)
    if name in written.outputs:
        yield f"its output {name} is an output of the model, in float"
    if len(readers) > 1:
        yield f"its output has {len(readers)} readers: {named(readers)}"
    elif len(readers) == 1 and readers[0].op_type != QUANTIZE:
        yield f"its output goes to {named(readers)} before it is quantized"


def _types(written: Graph, layer: onnx.NodeProto) -> Iterator[str]:
    wide = {each: None for each in _dtypes(written, layer) if each not in (*_EIGHT_BITS, "int32")}
    if wide:
        yield f"{' and '.join(wide)} around it, and integer kernels take 8 bits"


def _dtypes(written: Graph, layer: onnx.NodeProto) -> list[str]:
    """Integer types before and behind a layer, each once."""
    before = [node for name in layer.input if (node := _dequantize(written, name)) is not None]
    behind = [node for node in written.readers(layer.output[0]) if node.op_type == QUANTIZE]
    return list(dict.fromkeys(scheme_of(written, node)[1] for node in (*before, *behind)))


def _scales(written: Graph, layer: onnx.NodeProto) -> Iterator[str]:
    before = [node for name in layer.input if (node := _dequantize(written, name)) is not None]
    behind = [node for node in written.readers(layer.output[0]) if node.op_type == QUANTIZE]
    for node in before if layer.op_type not in _TAKE_CHANNELS else before[:1]:
        scales, _ = scheme_of(written, node)
        if scales is not None and scales.size > 1:
            yield f"its input {node.output[0]} has {scales.size} scales, one a channel"
    if layer.op_type in _ONE_SCALE and before and behind and not same_scheme(written, before[0], behind[0]):
        yield "its integers have another scale before it than behind it"


def _complete(written: Graph, layer: onnx.NodeProto) -> str:
    types = " and ".join(_dtypes(written, layer))
    return f"quantized on all sides ({types}), but the runtime has put no integer kernel in its place"
