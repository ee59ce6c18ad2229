"""A quantized file as the checks see it: the same records for ONNX and TFLite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.audit.record import Stored
from crossrt.analysis.onnx_graph import Graph
from crossrt.core.artifact import ModelFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Values in a file.

    Attributes:
        name: Its tensor.
        dtype: Its type.
        size_bytes: Its size.
        elements: How many values it has.
        readers: Types of the operators that read it and whose results are used, each once; empty where none does.
        is_parameter: Whether it holds scales or zero points.
    """

    name: str
    dtype: str
    size_bytes: int
    elements: int
    readers: tuple[str, ...]
    is_parameter: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """An operator that adds products with weights.

    Attributes:
        name: What messages call it.
        kind: Its type.
        source: The quantized tensor that it takes, or None where it takes floats or chooses scales at every call.
        weight: Its weights, or None where they are in float.
        bias: Its bias, or None where it has none or one in float.
        output: What its result is quantized to, or None.
        channel_axis: Where output channels lie in its weights.
        float_weight: Name of its constant weights in float.
        is_depthwise: Whether each channel is computed from one channel.
        is_dynamic: Whether its input is quantized at every call.
        activation: The activation fused into it, such as `RELU`.
        tensor: Name of its result.
    """

    name: str
    kind: str
    tensor: str = ""
    source: Stored | None = None
    weight: Stored | None = None
    bias: Stored | None = None
    output: Stored | None = None
    channel_axis: int = 0
    float_weight: str | None = None
    is_depthwise: bool = False
    is_dynamic: bool = False
    activation: str | None = None

    def rows(self) -> NDArray[Any] | None:
        """Codes of its weights, shape `(channels, products)`, in the order in which kernels add their products.

        Of convolutions, that is height, width, then input channels, as kernels lay them out.
        """
        if self.weight is None or self.weight.integers is None:
            return None
        codes = self.weight.integers
        axis = self.channel_axis % max(codes.ndim, 1)
        if codes.ndim > 1:
            codes = np.moveaxis(codes, axis, 0)
        if self.kind in ("Conv", "QLinearConv", "ConvInteger") and codes.ndim > 2:
            codes = np.moveaxis(codes, 1, -1)
        return codes.reshape(codes.shape[0], -1) if codes.ndim > 1 else codes.reshape(1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Any operator of a file."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    activation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedFile:
    """A file.

    Attributes:
        name: Its name.
        format: Its format.
        stored: Every tensor with scales in the file, activations first.
        layers: Operators that add products with constant weights, in order.
        constants: All its values.
        operators: All its operators, in order.
        floats: Values of constants in float by name.
        outputs: Names of its outputs.
        graph: Its graph, where it is ONNX.
        path: Where it lies.
        original: The float file that it came from, where that is given.
        custom: Names of operators that come in a library of their own.
    """

    name: str
    format: ModelFormat
    stored: Sequence[Stored]
    layers: Sequence[Layer]
    constants: Sequence[Constant]
    operators: Sequence[Operator]
    floats: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    graph: Graph | None = None
    path: Path | None = None
    original: QuantizedFile | None = None
    custom: tuple[str, ...] = ()

    def of_role(self, role: str) -> list[Stored]:
        """Its activations, weights or biases."""
        return [each for each in self.stored if each.role == role]

    @property
    def kinds(self) -> frozenset[str]:
        """Types of its operators."""
        return frozenset(each.kind for each in self.operators)


def bits_of(dtype: str) -> int:
    """Bits of a code."""
    digits = dtype.removeprefix("float").lstrip("abcdefghijklmnopqrstuvwxyz")
    number = "".join(digits[: next((place for place, sign in enumerate(digits) if not sign.isdigit()), len(digits))])
    return int(number) if number else 0
