"""Layers with weights, in a float model and in the QDQ file that was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

Array = NDArray[Any]
KINDS: Final = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A convolution or matrix product whose weights are in the file.

    Attributes:
        node: The node.
        weight: Its weights: floats, or the integers of a QDQ file.
        bias: Its bias, floats or int32; None where it has none that is a constant.
        scale: Scales of the weights, `()` or `(channels,)`; None in a float model.
        zero_point: Their zero points, of the same shape; None in a float model.
    """

    node: ir.Node
    weight: ir.Value
    bias: ir.Value | None
    scale: Array | None = None
    zero_point: Array | None = None

    @property
    def name(self) -> str:
        """The node's name, which is the same in both files."""
        return self.node.name or ""

    @property
    def values(self) -> Array:
        """The weights as they are stored."""
        return array(self.weight)

    @property
    def output_axis(self) -> int:
        """The axis of the weights that holds output channels."""
        if self.node.op_type == "Conv":
            return 0
        return 0 if number(self.node, "transB", 0) else len(self.values.shape) - 1

    @property
    def groups(self) -> int:
        """Groups of a convolution, else 1."""
        return number(self.node, "group", 1)

    @property
    def adds_tensor(self) -> bool:
        """Whether it adds what the model computes, as a residual connection: no bias, and no room for one."""
        return self.bias is None and len(self.node.inputs) > 2 and self.node.inputs[2] is not None

    def matrices(self, weights: Array) -> Array:
        """Weights as `(groups, outputs of a group, inputs of an output)`."""
        if self.node.op_type == "Conv":
            return weights.reshape(self.groups, len(weights) // self.groups, -1)
        return (weights if self.output_axis == 0 else weights.T)[None]

    def from_matrices(self, matrices: Array) -> Array:
        """The inverse of `matrices`."""
        if self.node.op_type == "Conv":
            return matrices.reshape(self.values.shape)
        return matrices[0] if self.output_axis == 0 else np.ascontiguousarray(matrices[0].T)

    def by_output(self, values: Array) -> Array:
        """One number, or one for each output channel, in the shape that broadcasts over `matrices`."""
        if values.size == 1:
            return values.reshape(1, 1, 1)
        return values.reshape(self.groups, -1, 1)


def layers_of(model: ir.Model) -> list[Layer]:
    """The layers in the order in which they are computed; weights of several layers, which none may change, are out."""
    return [found for node in model.graph if (found := _layer(node)) is not None]


def _layer(node: ir.Node) -> Layer | None:
    if node.op_type not in KINDS or len(node.inputs) < 2:
        return None
    taken, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    if taken is None or len(taken.uses()) > 1:
        return None
    if is_constant(taken):
        fits = taken.const_value is not None and taken.const_value.dtype == ir.DataType.FLOAT
        constant = bias if is_constant(bias) else None
        return Layer(node=node, weight=taken, bias=constant) if fits and _has_known_axes(node, array(taken)) else None
    maker = taken.producer()
    if maker is None or maker.op_type != "DequantizeLinear" or "block_size" in maker.attributes:
        return None
    weight, scale = maker.inputs[0], maker.inputs[1]
    if weight is None or not (is_constant(weight) and is_constant(scale)):
        return None
    if len(weight.uses()) > 1 or not _has_known_axes(node, array(weight)):
        return None
    zero_point = maker.inputs[2] if len(maker.inputs) > 2 else None
    zeros = array(zero_point).astype(np.int64) if zero_point is not None else np.zeros(array(scale).shape, np.int64)
    return Layer(node=node, weight=weight, bias=_stored_bias(bias), scale=array(scale), zero_point=zeros)


def _stored_bias(bias: ir.Value | None) -> ir.Value | None:
    """The constant that a bias is, or is dequantized from; None where it is computed."""
    maker = None if bias is None or is_constant(bias) else bias.producer()
    stored = maker.inputs[0] if maker is not None and maker.op_type == "DequantizeLinear" else bias
    return stored if is_constant(stored) else None


def _has_known_axes(node: ir.Node, weights: Array) -> bool:
    """Matrices of two dimensions, and what a convolution takes."""
    return weights.ndim >= 3 if node.op_type == "Conv" else weights.ndim == 2


def is_constant(value: ir.Value | None) -> bool:
    """True for an initializer whose values are known."""
    return value is not None and value.const_value is not None


def array(value: ir.Value | None) -> Array:
    """The values of a constant."""
    assert value is not None
    assert value.const_value is not None
    return value.const_value.numpy()


def replace(value: ir.Value, values: Array) -> None:
    """Gives a constant other values, of the same type; a scalar stays one."""
    assert value.const_value is not None
    dtype = value.const_value.dtype
    value.const_value = ir.tensor(values.astype(dtype.numpy(), order="C"), dtype=dtype, name=value.name)


def number(node: ir.Node, name: str, otherwise: int) -> int:
    """An attribute that is an integer."""
    found = node.attributes.get(name)
    return otherwise if found is None else int(found.as_int())


def numbers(node: ir.Node, name: str, otherwise: Sequence[int]) -> tuple[int, ...]:
    """An attribute that is a list of integers."""
    found = node.attributes.get(name)
    return tuple(otherwise) if found is None else tuple(map(int, found.as_ints()))


def name_nodes(model: ir.Model) -> None:
    """Gives nodes without a name one of their own: layers of two files are found by it."""
    taken = {node.name for node in model.graph if node.name}
    seen: set[str] = set()
    for place, node in enumerate(model.graph):
        if not node.name or node.name in seen:
            name = f"{node.op_type}_{place}"
            while name in taken:
                name = f"{name}_"
            node.name = name
            taken.add(name)
        seen.add(node.name)
