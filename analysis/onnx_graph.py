"""An ONNX graph that can be asked who makes and who reads a tensor: the one index of all analyses, over onnx-ir."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from crossrt.core.errors import ArtifactError

QUANTIZE: Final = "QuantizeLinear"
DEQUANTIZE: Final = "DequantizeLinear"
REMOVABLE: Final = ("Relu", "Clip")
"""Activations that a quantizer may fold into the range of the tensor before them."""
LAYOUT: Final = frozenset(
    ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "ReorderInput", "ReorderOutput")
)
"""Operators that move values and change none."""
MOVING: Final = LAYOUT | {"Cast", QUANTIZE, DEQUANTIZE, "CAST", "QUANTIZE", "DEQUANTIZE", "RESHAPE", "TRANSPOSE"}
"""These and conversions, of both formats."""

_NAMES: Final = {"float": "float32", "double": "float64"}


class Graph:
    """The main graph of a model."""

    def __init__(self, model: ir.Model) -> None:
        self.graph = model.graph
        self.nodes = list(model.graph)
        self.functions = frozenset((domain, name) for domain, name, *_ in model.functions)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a file; weights in data files beside it are read when they are asked for.

        Raises:
            ArtifactError: It is damaged.
        """
        try:
            return cls(ir.load(path))
        except Exception as error:  # protobuf and onnx-ir raise classes of their own
            raise ArtifactError(f"{path.name} cannot be read: {_first_line(error)}") from error

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Self:
        """The graph of a model in memory."""
        return cls(ir.from_proto(model))

    @cached_property
    def values(self) -> Mapping[str, ir.Value]:
        """Tensors by name: inputs, constants, and what nodes make."""
        made = (value for node in self.nodes for value in node.outputs)
        found = (*self.graph.inputs, *self.graph.initializers.values(), *made)
        return {value.name: value for value in found if value.name}

    @cached_property
    def constants(self) -> Mapping[str, NDArray[Any]]:
        """Values of all constants by name."""
        named = ((name, constant(value)) for name, value in self.values.items())
        return {name: values for name, values in named if values is not None}

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs that are fed."""
        known = self.graph.initializers
        return [value.name for value in self.graph.inputs if value.name and value.name not in known]

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return [value.name for value in self.graph.outputs if value.name]

    def maker(self, name: str) -> ir.Node | None:
        """The node that makes a tensor."""
        value = self.values.get(name)
        return None if value is None else value.producer()

    def readers(self, name: str) -> list[ir.Node]:
        """The nodes that take a tensor, each once."""
        value = self.values.get(name)
        return [] if value is None else readers(value)

    def by_name(self, name: str) -> ir.Node | None:
        """A node by its name."""
        return next((node for node in self.nodes if node.name == name), None)


def readers(value: ir.Value) -> list[ir.Node]:
    """The nodes that take a tensor, each once, in order."""
    return list(value.consumers())


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """The values of an initializer or of a Constant node, or None for any other tensor."""
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy()
    maker = value.producer()
    if maker is not None and maker.op_type == "Constant" and "value" in maker.attributes:
        return np.asarray(maker.attributes["value"].as_tensor().numpy())
    return None


def dtype_of(value: ir.Value | None) -> str | None:
    """Dtype of a tensor in numpy's words, as far as the file tells."""
    if value is None:
        return None
    dtype = value.const_value.dtype if value.const_value is not None else value.dtype
    return None if dtype is None else _NAMES.get(dtype.name.lower(), dtype.name.lower())


def inputs_of(node: ir.Node) -> Iterator[ir.Value]:
    """What a node takes, without inputs that are left out."""
    return (value for value in node.inputs if value is not None)


def taken(node: ir.Node, place: int) -> ir.Value | None:
    """One input of a node, or None where it has none there."""
    return node.inputs[place] if place < len(node.inputs) else None


def name_of(value: ir.Value | None) -> str:
    """The name of a tensor, empty for none."""
    return "" if value is None else value.name or ""


def source(value: ir.Value | None) -> ir.Value | None:
    """The tensor that a tensor's values come from, seen through nodes that only move them."""
    while value is not None and (maker := value.producer()) is not None and maker.op_type in LAYOUT:
        value = taken(maker, 0)
    return value


def users(value: ir.Value) -> list[ir.Node]:
    """The nodes that compute with a tensor, seen through those that only move values."""
    found = []
    for node in readers(value):
        found += users(node.outputs[0]) if node.op_type in LAYOUT else [node]
    return found


def reaches_output(value: ir.Value) -> bool:
    """True if a tensor is an output of the model, perhaps moved."""
    return value.is_graph_output() or any(
        reaches_output(node.outputs[0]) for node in readers(value) if node.op_type in LAYOUT
    )


def named(nodes: Sequence[ir.Node]) -> str:
    """Nodes in words: `Relu relu_1, Add sum`."""
    return ", ".join(" ".join(filter(None, (node.op_type, node.name))) for node in nodes)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
