"""Peak memory of the activations of a TFLite file, for one sample. The schema's classes are generated and untyped."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from crossrt.exporters.sources.activation_memory import Peak, Step, activation_peak

_PLAN: Final = b"OfflineMemoryAllocation"
_HEADER: Final = 3
_SHARING: Final = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_BITS: Final = {
    **dict.fromkeys(("INT8", "UINT8", "BOOL"), 8),
    **dict.fromkeys(("INT16", "UINT16", "FLOAT16", "BFLOAT16"), 16),
    **dict.fromkeys(("INT32", "UINT32", "FLOAT32"), 32),
    **dict.fromkeys(("INT64", "UINT64", "FLOAT64", "COMPLEX64"), 64),
    "INT4": 4,
    "COMPLEX128": 128,
}


def tflite_activation_peak(model: Any, graph: Any, number: int, names: dict[int, str]) -> Peak | None:
    """The peak, or that of the plan which the file brings; None where a size is not fixed.

    Args:
        model: The file, as the schema reads it.
        graph: The graph that runs.
        number: Which of the file's graphs it is.
        names: Names of types by number.
    """
    sizes = _sizes(model, graph, names)
    if sizes is None:
        return None
    if (planned := _planned(model, number, sizes)) is not None:
        return planned
    codes = _operator_names()
    steps, fixed = [], {index for index in range(graph.TensorsLength()) if index not in sizes}
    for place in range(graph.OperatorsLength()):
        node = graph.Operators(place)
        code = model.OperatorCodes(node.OpcodeIndex())
        kind = codes.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "operator")
        taken, made = [index for index in _numbers(node, "Inputs") if index >= 0], _numbers(node, "Outputs")
        if taken and fixed.issuperset(taken):
            fixed.update(made)  # weights that are widened while the model is loaded
            continue
        inputs, outputs = [str(index) for index in taken if index not in fixed], [str(index) for index in made]
        first = graph.Tensors(int(outputs[0])).Name() if outputs else b""
        where = f"{kind} {(first or b'').decode(errors='replace').split(';')[0]}"
        steps.append(Step(name=where, inputs=inputs, outputs=outputs, shares=kind in _SHARING))
    inputs, outputs = ([str(index) for index in _numbers(graph, each)] for each in ("Inputs", "Outputs"))
    return activation_peak(steps, {str(index): size for index, size in sizes.items()}, inputs, outputs)


def _operator_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}


def _sizes(model: Any, graph: Any, names: dict[int, str]) -> dict[int, int] | None:
    """Bytes of each tensor that is not in the file."""
    found: dict[int, int] = {}
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer()) if 0 < tensor.Buffer() < model.BuffersLength() else None
        if buffer is not None and (buffer.DataLength() or buffer.Size()):
            continue
        shape, signature = _numbers(tensor, "Shape"), _numbers(tensor, "ShapeSignature")
        if any(size < 0 for size in signature[1:]) or any(size < 0 for size in shape):
            return None
        bits = _BITS.get(names.get(tensor.Type(), ""), 0)
        found[index] = -(-int(np.prod(shape, dtype=np.int64)) * bits // 8)
    return found


def _planned(model: Any, number: int, sizes: dict[int, int]) -> Peak | None:
    """The end of the arena by the offsets that a file for microcontrollers brings."""
    for place in range(model.MetadataLength()):
        entry = model.Metadata(place)
        if entry.Name() == _PLAN and model.Buffers(entry.Buffer()).DataLength():
            plan = np.frombuffer(model.Buffers(entry.Buffer()).DataAsNumpy(), dtype="<i4")
            offsets = plan[_HEADER:].tolist()
            if len(plan) > _HEADER and plan[1] == number:
                ends = [start + sizes.get(index, 0) for index, start in enumerate(offsets) if start >= 0]
                return Peak(size_bytes=max(ends, default=0), at="the plan in the file")
    return None


def _numbers(table: Any, name: str) -> list[int]:
    return [int(getattr(table, name)(place)) for place in range(getattr(table, f"{name}Length")())]
