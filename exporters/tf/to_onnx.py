"""TensorFlow to float ONNX, through tf2onnx and onnxslim."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxslim
import tf2onnx

from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ExportError, first_line
from crossrt.exporters.tf.serving import Serving, inner_input, inner_output

OPSET = 18  # the newest that tf2onnx 1.17 writes
IR_VERSION = 10
MOST_BYTES = 2**31 - 2**20


def export_onnx(serving: Serving, path: Path) -> None:
    """Writes the model as float ONNX under the names of its specs; the batch dimension is called `batch`.

    Raises:
        ExportError: A layer cannot be converted, or the weights hold NaN.
    """
    serving.check_weights()
    converted = _converted(serving)
    _check_operators(converted)
    _check_size(converted)
    _set_shapes(converted, serving)
    slimmed = _slimmed(converted)
    _rename(slimmed, serving)
    slimmed.ir_version = min(slimmed.ir_version, IR_VERSION)
    try:
        onnx.checker.check_model(slimmed)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"tf2onnx wrote an ONNX file that is not valid: {first_line(error)}") from error
    onnx.save(slimmed, path)


def _converted(serving: Serving) -> onnx.ModelProto:
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # what it cannot convert is found in the result
    function = serving.function
    concrete = function.get_concrete_function()
    try:
        found, _ = tf2onnx.convert.from_function(
            function,
            input_signature=function.input_signature,
            opset=OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},
        )
    except Exception as error:  # the converter raises whatever it happens to hit
        raise ExportError(
            f"tf2onnx cannot convert this model ({type(error).__name__}: {first_line(error)}): bring an ONNX file that"
            " another exporter wrote"
        ) from error
    model: onnx.ModelProto = found
    _bind_captures(model, concrete)
    return model


def _bind_captures(model: onnx.ModelProto, concrete: Any) -> None:
    """Makes constants of the tensors that the function captured, which tf2onnx takes for inputs (Normalization)."""
    values = {inner.name: outer for outer, inner in concrete.graph.captures}
    for value in [each for each in model.graph.input if each.name in values]:
        array = np.asarray(values[value.name].numpy())
        model.graph.input.remove(value)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))


def _erfc(context: Any, node: Any, name: str, _: Any) -> None:
    """Rewrites Erfc, which ONNX does not have: `erfc(-c x)` is `1 + erf(c x)`, as runtimes know it from Gelu."""
    source, target = node.input[0], node.output[0]
    shape, dtype = context.get_shape(target), context.get_dtype(target)
    np_dtype = tf2onnx.utils.map_onnx_to_numpy_type(dtype)
    inner = context.get_node_by_output(source)
    context.remove_node(node.name)
    one = context.make_const(f"{name}/one", np.array(1, dtype=np_dtype)).output[0]
    if (found := _negative_multiple(context, inner)) is not None:
        value, factor = found
        divisor = context.make_const(f"{name}/divisor", np.array(1 / factor, dtype=np_dtype)).output[0]
        scaled = context.make_node("Div", [value, divisor]).output[0]
        erf = context.make_node("Erf", [scaled]).output[0]
        context.make_node("Add", [erf, one], outputs=[target], name=node.name, shapes=[shape], dtypes=[dtype])
        return
    erf = context.make_node("Erf", [source]).output[0]
    context.make_node("Sub", [one, erf], outputs=[target], name=node.name, shapes=[shape], dtypes=[dtype])


def _negative_multiple(context: Any, node: Any) -> tuple[str, float] | None:
    """`x` and `c` where a node computes `-c x` for a positive constant `c`, by a product or by Neg and a product."""
    if node is None or node.type != "Mul":
        return None
    for place in (0, 1):
        if node.inputs[place] is None or not node.inputs[place].is_const():
            continue
        factor = np.asarray(node.inputs[place].get_tensor_value(as_list=False))
        if factor.size != 1 or float(factor.reshape(())) == 0:
            return None
        value, number = node.input[1 - place], float(factor.reshape(()))
        before = context.get_node_by_output(value)
        if before is not None and before.type == "Neg":
            value, number = before.input[0], -number
        return (value, -number) if number < 0 else None
    return None


def _check_operators(model: onnx.ModelProto) -> None:
    """Names what tf2onnx left as it was: it writes TensorFlow's own operators into the file without a word."""
    versions = {each.domain: each.version for each in model.opset_import}
    for node in model.graph.node:
        if node.domain in ("", "ai.onnx") and not onnx.defs.has(node.op_type, versions.get("", OPSET), ""):
            layer = _layer_of(node.name)
            raise ExportError(
                f"{layer} needs the TensorFlow operator {node.op_type}, which ONNX does not have and tf2onnx cannot"
                " convert: replace the layer, or bring an ONNX file that another exporter wrote"
            )


def _layer_of(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("StatefulPartitionedCall", "PartitionedCall")]
    return f"the layer {'/'.join(parts[:-1][-2:])}" if len(parts) > 1 else "the model"


def _check_size(model: onnx.ModelProto) -> None:
    size = sum(len(each.raw_data) for each in model.graph.initializer)
    if size > MOST_BYTES:
        raise ExportError(f"the weights take {size} bytes; an ONNX file of more than 2 GB is not written")


def _set_shapes(model: onnx.ModelProto, serving: Serving) -> None:
    """Gives every dynamic dimension the name that the specs have for it."""
    specs = {inner_input(number): spec for number, spec in enumerate(serving.inputs)}
    specs |= {inner_output(number): spec for number, spec in enumerate(serving.outputs)}
    for value in (*model.graph.input, *model.graph.output):
        spec = specs[value.name]
        value.type.tensor_type.shape.Clear()
        for size in spec.shape:
            dimension = value.type.tensor_type.shape.dim.add()
            if isinstance(size, int):
                dimension.dim_value = size
            else:
                dimension.dim_param = str(size)


def _slimmed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Folds constants and Shape chains, which block fusion; this also makes the bytes reproducible."""
    try:
        slimmed = onnxslim.slim(model)
        onnx.checker.check_model(slimmed)
    except Exception:  # an aid: where it fails, the file is as tf2onnx wrote it
        return model
    wanted = [each.name for each in (*model.graph.input, *model.graph.output)]
    found = [each.name for each in (*slimmed.graph.input, *slimmed.graph.output)]
    return slimmed if found == wanted else model


def _rename(model: onnx.ModelProto, serving: Serving) -> None:
    """Gives inputs and outputs their names, in inner graphs too; a value in the way gets another one."""
    names = _new_names(serving.inputs, inner_input) | _new_names(serving.outputs, inner_output)
    taken = set(names.values())
    replaced = {name: f"{name}__inner" for name in taken} | names
    for graph in _graphs(model.graph):
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            value.name = replaced.get(value.name, value.name)
        for node in graph.node:
            node.input[:] = [replaced.get(name, name) for name in node.input]
            node.output[:] = [replaced.get(name, name) for name in node.output]


def _new_names(specs: tuple[TensorSpec, ...], inner: Any) -> dict[str, str]:
    return {inner(number): spec.name for number, spec in enumerate(specs)}


def _graphs(graph: onnx.GraphProto) -> Any:
    from crossrt.exporters.sources.onnx_file import graphs_of

    return graphs_of(graph)
