"""An ONNX graph, ready to be asked who makes and who reads a tensor."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

BATCH_DIMENSION: Final = "batch"
QUANTIZE: Final = "QuantizeLinear"
DEQUANTIZE: Final = "DequantizeLinear"
LAYOUT: Final = frozenset(
    ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "ReorderInput", "ReorderOutput")
)
"""Operators that move values and change none."""


class Graph:
    """Nodes by the tensors that they make and read."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.outputs = {each.name for each in model.graph.output}
        self.constants = {each.name for each in model.graph.initializer}
        self.inputs = {each.name for each in model.graph.input} - self.constants
        self._initializers = {each.name: each for each in model.graph.initializer}

    @cached_property
    def makers(self) -> dict[str, onnx.NodeProto]:
        """The node that makes a tensor."""
        return {name: node for node in self.nodes for name in node.output if name}

    @cached_property
    def _readers(self) -> dict[str, list[onnx.NodeProto]]:
        found: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                found.setdefault(name, []).append(node)
        return found

    def readers(self, tensor: str) -> list[onnx.NodeProto]:
        """The nodes that take a tensor."""
        return self._readers.get(tensor, [])

    def by_name(self, name: str) -> onnx.NodeProto | None:
        """A node by its name."""
        return next((node for node in self.nodes if node.name == name), None)

    def constant(self, name: str) -> NDArray[Any] | None:
        """The values of an initializer."""
        return numpy_helper.to_array(self._initializers[name]) if name in self._initializers else None

    def dtype(self, name: str) -> str | None:
        """The type of an initializer, as numpy names it, or ONNX where numpy has none."""
        if name not in self._initializers:
            return None
        return str(onnx.TensorProto.DataType.Name(self._initializers[name].data_type)).lower()

    def source(self, tensor: str) -> onnx.NodeProto | None:
        """The node that computes a tensor, seen through those that only move values; None for an input or constant."""
        while (maker := self.makers.get(tensor)) is not None and maker.op_type in LAYOUT:
            tensor = maker.input[0]
        return maker

    def comes_from_input(self, tensor: str) -> bool:
        """True if a tensor is an input of the model, perhaps moved."""
        while (maker := self.makers.get(tensor)) is not None and maker.op_type in LAYOUT:
            tensor = maker.input[0]
        return tensor in self.inputs

    def users(self, tensor: str) -> list[onnx.NodeProto]:
        """The nodes that compute with a tensor, seen through those that only move values."""
        found = []
        for node in self.readers(tensor):
            found += self.users(node.output[0]) if node.op_type in LAYOUT else [node]
        return found

    def reaches_output(self, tensor: str) -> bool:
        """True if a tensor is an output of the model, perhaps moved."""
        if tensor in self.outputs:
            return True
        return any(self.reaches_output(node.output[0]) for node in self.readers(tensor) if node.op_type in LAYOUT)


def scheme_of(graph: Graph, node: onnx.NodeProto) -> tuple[NDArray[Any] | None, str]:
    """Scales of a QuantizeLinear or DequantizeLinear, where they are constants, and its integer type."""
    scales = graph.constant(node.input[1])
    zero_point = graph.dtype(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    stored = graph.dtype(node.input[0]) if node.op_type == DEQUANTIZE else None
    return scales, zero_point or stored or "uint8"


def same_scheme(graph: Graph, one: onnx.NodeProto, other: onnx.NodeProto) -> bool:
    """True if two conversions have the same scales and zero points, or if one of them is no constant."""
    for place in (1, 2):
        pair = [graph.constant(node.input[place]) if len(node.input) > place else None for node in (one, other)]
        if pair[0] is not None and pair[1] is not None and not np.array_equal(pair[0], pair[1]):
            return False
    return True


def optimised(path: Path, batch_size: int) -> Graph:
    """The graph that ONNX Runtime makes of a file on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        options.log_severity_level = 4  # it warns that the file is for this machine alone
        options.add_free_dimension_override_by_name(BATCH_DIMENSION, batch_size)
        onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
        return Graph(onnx.load(options.optimized_model_filepath))


def named(nodes: Sequence[onnx.NodeProto]) -> str:
    """Nodes in words: `Relu relu_1, Add sum`."""
    return ", ".join(" ".join(filter(None, (node.op_type, node.name))) for node in nodes)
