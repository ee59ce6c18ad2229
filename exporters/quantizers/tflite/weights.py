"""Weights of a float TFLite file in int8 or float16, as TensorFlow's converter writes them; activations stay in float.

That converter takes models of TensorFlow only, so it is done here, on the file: same operators, same scales, same
versions of operators.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from crossrt.exporters.errors import ExportError
from crossrt.exporters.quantizers.tflite.check import FEWEST_ELEMENTS
from crossrt.exporters.quantizers.tflite.flatbuffer import FlatModel
from crossrt.exporters.recipes.recipe import TfliteDynamic

_FLOAT16 = schema.TensorType.FLOAT16
_DEQUANTIZES_FLOAT16 = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hybrid:
    """An operator that takes int8 weights beside float activations.

    Attributes:
        place: Which of its inputs holds the weights.
        axis: Axis of output channels, or None where the kernel takes a single scale.
        version: The first version of the operator that does, with a scale for each channel.
        version_per_tensor: The same with a single scale.
    """

    place: int = 1
    axis: int | None = 0
    version: int
    version_per_tensor: int


_HYBRID: Final = {
    "CONV_2D": _Hybrid(version=5, version_per_tensor=2),
    "DEPTHWISE_CONV_2D": _Hybrid(axis=3, version=6, version_per_tensor=4),
    "TRANSPOSE_CONV": _Hybrid(version=2, version_per_tensor=2),
    "FULLY_CONNECTED": _Hybrid(version=12, version_per_tensor=9),
    "BATCH_MATMUL": _Hybrid(axis=None, version=4, version_per_tensor=4),
    "GATHER": _Hybrid(place=0, axis=None, version=2, version_per_tensor=2),
    "EMBEDDING_LOOKUP": _Hybrid(axis=None, version=3, version_per_tensor=3),
}
_DENSE = "FULLY_CONNECTED"
_TAKES_INTEGERS_ONLY = ("GATHER",)
"""Operators whose output has the type of their weights: it is made float behind them."""


def to_dynamic(model: FlatModel, recipe: TfliteDynamic) -> None:
    """Makes int8 weights of those that every reader takes in int8."""
    readers = _readers(model)
    for index in sorted(readers):
        rule = _rule(model, index, readers[index])
        values = model.floats(index)
        if rule is None or values is None or values.size < FEWEST_ELEMENTS:
            continue
        if not np.isfinite(values).all():
            name = _name(model.graph.tensors[index])
            raise ExportError(
                f"the weights {name} hold infinity: no scale can be found for them; train the model again"
            )
        nodes = [node for node, _ in readers[index]]
        is_dense = model.operator(nodes[0]) == _DENSE
        per_channel = recipe.per_channel and (recipe.per_channel_dense or not is_dense)
        axis = rule.axis if per_channel and rule.axis is not None and values.ndim > rule.axis else None
        _quantize(model, index, values, axis)
        for node in nodes:
            _make_hybrid(model, node, rule.version if axis is not None else rule.version_per_tensor)


def _readers(model: FlatModel) -> dict[int, list[tuple[Any, int]]]:
    """Who reads each tensor, and as which of its inputs."""
    found: dict[int, list[tuple[Any, int]]] = defaultdict(list)
    for node in model.graph.operators:
        for place, index in enumerate(node.inputs if node.inputs is not None else ()):
            if index >= 0:
                found[int(index)].append((node, place))
    return found


def _rule(model: FlatModel, index: int, readers: list[tuple[Any, int]]) -> _Hybrid | None:
    """What all readers of a tensor have in common, where they take it in int8."""
    kinds = {model.operator(node) for node, _ in readers}
    rule = _HYBRID.get(kinds.pop()) if len(kinds) == 1 else None
    is_weight = rule is not None and all(place == rule.place for _, place in readers)
    return rule if is_weight and index not in set(map(int, model.graph.outputs)) else None


def _quantize(model: FlatModel, index: int, values: np.ndarray[Any, Any], axis: int | None) -> None:
    """Symmetric, in -127..127."""
    others = tuple(each for each in range(values.ndim) if each != axis) if axis is not None else None
    largest = np.abs(values).max(axis=others)
    scales = np.atleast_1d(np.where(largest > 0, largest / np.float32(127), np.float32(1))).astype(np.float32)
    shape = [-1 if each == axis else 1 for each in range(values.ndim)] if axis is not None else [1] * values.ndim
    steps = values.astype(np.float64) / scales.astype(np.float64).reshape(shape)  # in double, as the converter does
    integers = np.clip(np.rint(steps), -127, 127).astype(np.int8)
    tensor = model.graph.tensors[index]
    tensor.type, tensor.buffer = schema.TensorType.INT8, model.add_buffer(integers)
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = scales
    tensor.quantization.zeroPoint = np.zeros(len(scales), dtype=np.int64)
    tensor.quantization.quantizedDimension = axis or 0


def _make_hybrid(model: FlatModel, node: Any, version: int) -> None:
    kind = model.operator(node)
    model.raise_version(node, version)
    if hasattr(node.builtinOptions, "asymmetricQuantizeInputs"):
        node.builtinOptions.asymmetricQuantizeInputs = True
    if kind in _TAKES_INTEGERS_ONLY:
        _float_behind(model, node)


def _float_behind(model: FlatModel, node: Any) -> None:
    """Lets a node write int8, and makes the float tensor that others read from it."""
    target = int(node.outputs[0])
    weights = model.graph.tensors[int(node.inputs[0])]
    tensor = model.graph.tensors[target]
    inner = model.add_tensor(tensor, f"{_name(tensor)}/int8", schema.TensorType.INT8, 0)
    model.graph.tensors[inner].quantization = weights.quantization
    node.outputs = [inner]
    place = next(number for number, each in enumerate(model.graph.operators) if each is node)
    model.graph.operators.insert(place + 1, model.dequantizing(inner, target, 2))


def to_float16(model: FlatModel) -> None:
    """Makes float16 constants of all float32 ones; each is widened again where the model is loaded.

    Raises:
        ExportError: A weight is larger than float16 can hold.
    """
    nodes = []
    for index in sorted(_readers(model)):
        values = model.floats(index)
        if values is None:
            continue
        tensor = model.graph.tensors[index]
        with np.errstate(over="ignore"):
            halves = values.astype("<f2")
        if np.isinf(halves).any() and not np.isinf(values).any():
            raise ExportError(
                f"the weights {_name(tensor)} reach {np.abs(values).max():g}, more than float16 can hold (65504)"
            )
        source = model.add_tensor(tensor, f"{_name(tensor)}/float16", _FLOAT16, model.add_buffer(halves))
        tensor.buffer = 0
        nodes.append(model.dequantizing(source, index, _DEQUANTIZES_FLOAT16))
    model.graph.operators[:0] = nodes


def _name(tensor: Any) -> str:
    return tensor.name.decode() if isinstance(tensor.name, bytes) else str(tensor.name)
