"""Puts the trained integers of fully connected layers into a TFLite file, where the converter chose other scales.

The converter takes the scale of such a weight from its largest value. A kernel of 4 bits, or a channel whose weights
are far smaller than others, has a larger scale than that: then integers, scales and the bias are replaced, in buffers
of the same size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.qat.frozen import Frozen, FrozenStep
from crossrt.exporters.training.qat.graph import Dense


def with_trained_weights(content: bytes, frozen: Frozen, step_number: Callable[[str], int | None]) -> bytes:
    """The file with the integers and scales of the network; the same bytes where they are there already.

    Raises:
        ExportError: A layer is not in the file.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))
    steps = list(frozen.steps.values())
    left = {each.step.name for each in steps if isinstance(each.step.op, Dense)}
    changed = False
    (graph,) = model.subgraphs
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if max(code.builtinCode, code.deprecatedBuiltinCode) != schema.BuiltinOperator.FULLY_CONNECTED:
            continue
        number = step_number(graph.tensors[operator.outputs[0]].name.decode())
        if number is None or steps[number].step.name not in left:
            continue
        left.discard(steps[number].step.name)
        changed |= _replace(model, graph, operator, steps[number], frozen)
    if left:
        raise ExportError(f"the TFLite converter wrote no fully connected operator for {', '.join(sorted(left))}")
    if not changed:
        return content
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _replace(model: Any, graph: Any, operator: Any, each: FrozenStep, frozen: Frozen) -> bool:
    weights, source = each.weights, frozen.source(each.step).affine
    assert weights is not None
    assert source is not None
    bias_place = operator.inputs[2] if len(operator.inputs) > 2 else -1
    if bias_place < 0 and weights.bias.any():
        raise ExportError(f"the TFLite converter left out the bias of {each.step.name}")
    changed = _set(model, graph.tensors[operator.inputs[1]], weights.integers.T, weights.scales)
    if bias_place >= 0:
        changed |= _set(model, graph.tensors[bias_place], weights.bias, weights.bias_scales(source))
    return changed


def _set(model: Any, tensor: Any, integers: np.ndarray[Any, Any], scales: np.ndarray[Any, Any]) -> bool:
    data = np.frombuffer(np.ascontiguousarray(integers).tobytes(), np.uint8)
    buffer = model.buffers[tensor.buffer]
    known = np.asarray(buffer.data, np.uint8)
    found = np.asarray(tensor.quantization.scale, np.float32)
    if known.shape != data.shape or found.shape != scales.shape:
        raise ExportError(f"{tensor.name.decode()} of the TFLite file has another size than the layer's weights")
    if np.array_equal(known, data) and np.array_equal(found, scales):
        return False
    # a bias may share its buffer with another that holds the same bytes
    buffer = type(buffer)()
    buffer.data = data
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
    tensor.quantization.scale = scales.astype(np.float32)
    return True
