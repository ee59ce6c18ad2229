"""A graph of a TFLite file: names, roles, values and scales of its tensors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import TYPES, Affine, widened_codes
from crossrt.analysis.audit.record import Role, Stored
from crossrt.analysis.findings.onnx_blocks import unpacked
from crossrt.analysis.findings.quantized_file import Operator
from crossrt.analysis.findings.tflite_tables import (
    ACTIVATIONS,
    BITS,
    CONVERSIONS,
    OPERATORS,
    OPTIONS,
    TENSOR_TYPES,
    WEIGHTS,
    numbers,
)


class TfliteGraph:
    """A graph of a file; tensors by index."""

    def __init__(self, model: Any, number: int) -> None:
        self.model = model
        self.graph = model.Subgraphs(number)
        self.tensors = [self.graph.Tensors(number) for number in range(self.graph.TensorsLength())]
        self.nodes = [self.graph.Operators(number) for number in range(self.graph.OperatorsLength())]
        self._known: dict[int, Stored | None] = {}

    @cached_property
    def names(self) -> dict[int, str]:
        """Names by index; TFLite may use one for an activation and for a bias."""
        found: dict[int, str] = {}
        for index, tensor in enumerate(self.tensors):
            name = (tensor.Name() or b"").decode(errors="replace")
            found[index] = name if name not in found.values() else f"{name} ({index})"
        return found

    @cached_property
    def roles(self) -> dict[int, Role]:
        """What each tensor is to the operators, in their order."""
        found: dict[int, Role] = {}
        for node in self.nodes:
            kind = self.kind(node)
            if kind in CONVERSIONS:
                continue
            places = WEIGHTS.get(kind)
            for place, index in enumerate(numbers(node, "Inputs")):
                role: Role = "activation"
                if places is not None and place in places[:2] and index in self.constant_tensors:
                    role = "weight" if place == places[0] else "bias"
                if index >= 0:
                    found.setdefault(index, role)
            for index in numbers(node, "Outputs"):
                found.setdefault(index, "activation")
        return found

    @cached_property
    def constant_tensors(self) -> frozenset[int]:
        """Tensors with values in the file."""
        return frozenset(index for index in range(len(self.tensors)) if self.size(index))

    def size(self, index: int) -> int:
        """Bytes of the values of a tensor that are in the file."""
        number = self.tensors[index].Buffer()
        buffer = self.model.Buffers(number) if 0 < number < self.model.BuffersLength() else None
        return 0 if buffer is None else int(buffer.DataLength() or buffer.Size())

    def kind(self, node: Any) -> str:
        """The type of an operator."""
        code = self.model.OperatorCodes(node.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = code.CustomCode()
        return str(custom.decode()) if custom else OPERATORS.get(number, str(number))

    def activation(self, node: Any) -> str | None:
        """The activation function that is fused into an operator, such as `RELU`."""
        options = OPTIONS.get(self.kind(node))
        table = node.BuiltinOptions()
        if options is None or table is None:
            return None
        found = options()
        found.Init(table.Bytes, table.Pos)
        name = ACTIVATIONS.get(found.FusedActivationFunction(), "NONE")
        return None if name == "NONE" else name

    def operators(self) -> Iterator[Operator]:
        """All operators, in order."""
        for node in self.nodes:
            outputs = tuple(self.names[index] for index in numbers(node, "Outputs"))
            yield Operator(
                name=outputs[0] if outputs else self.kind(node),
                kind=self.kind(node),
                inputs=tuple(self.names[index] if index >= 0 else "" for index in numbers(node, "Inputs")),
                outputs=outputs,
                activation=self.activation(node),
            )

    def values(self, index: int) -> NDArray[Any] | None:
        """The values of a constant tensor; of packed codes one each."""
        tensor, dtype = self.tensors[index], self.dtype(index)
        buffer = self.model.Buffers(tensor.Buffer())
        if not self.size(index) or not buffer.DataLength() or tensor.Sparsity():
            return None
        raw, shape = buffer.DataAsNumpy(), numbers(tensor, "Shape")
        count = int(np.prod(shape, dtype=np.int64))
        if dtype in BITS:
            bits = BITS[dtype]
            codes = unpacked(raw, bits)[:count].astype(np.int64)
            is_signed = dtype.startswith("int")
            return np.where(is_signed & (codes >= 1 << (bits - 1)), codes - (1 << bits), codes).reshape(shape)
        try:
            return np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).reshape(shape)
        except (TypeError, ValueError):
            return None

    def dtype(self, index: int) -> str:
        """The type of a tensor."""
        return str(TENSOR_TYPES.get(self.tensors[index].Type(), "unknown"))

    def scaled(self, index: int) -> Stored | None:
        """A tensor with its scales, or None where it has none."""
        if index not in self._known:
            self._known[index] = self._scaled(index)
        return self._known[index]

    def _scaled(self, index: int) -> Stored | None:
        how, dtype = self.tensors[index].Quantization(), self.dtype(index)
        if how is None or dtype not in TYPES:
            return None
        values = self.values(index) if index in self.constant_tensors else None
        if how.DetailsType() == schema.QuantizationDetails.BlockwiseQuantization:
            return self._in_blocks(index, how, values)
        scale = how.ScaleAsNumpy() if how.ScaleLength() else None
        if scale is None:
            return None
        zeros = how.ZeroPointAsNumpy() if how.ZeroPointLength() else np.zeros(1, np.int64)
        shape = (len(scale),) if len(scale) > 1 else ()
        return self._stored(
            index,
            Affine(scale.astype(np.float32).reshape(shape), np.resize(zeros, shape).astype(np.int64)),
            values,
            how.QuantizedDimension() if shape else None,
        )

    def _in_blocks(self, index: int, how: Any, values: NDArray[Any] | None) -> Stored | None:
        details = schema.BlockwiseQuantization()
        details.Init(how.Details().Bytes, how.Details().Pos)
        scale = self.values(details.Scales())
        if scale is None or values is None:
            return None
        zeros = self.values(details.ZeroPoints()) if details.ZeroPoints() > 0 else None
        zero_point = np.zeros(scale.shape, np.int64) if zeros is None else np.resize(zeros, scale.shape)
        affine = Affine(scale.astype(np.float32), zero_point.astype(np.int64))
        return self._stored(index, affine, values, values.ndim - 1, details.BlockSize())

    def _stored(
        self, index: int, affine: Affine, values: NDArray[Any] | None, axis: int | None, block_size: int | None = None
    ) -> Stored:
        return Stored(
            name=self.names[index],
            role=self.roles.get(index, "activation"),
            dtype=self.dtype(index),
            affine=affine,
            axis=axis,
            integers=None if values is None else widened_codes(values),
            block_size=block_size,
        )
