"""Reads any TFLite file for the checks, from its FlatBuffer: no interpreter is made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import TYPES, Affine
from crossrt.analysis.audit.record import Role, Stored
from crossrt.analysis.findings.onnx_blocks import unpacked
from crossrt.analysis.findings.quantized_file import Constant, Layer, Operator, QuantizedFile
from crossrt.analysis.findings.tflite_tables import (
    ACTIVATIONS,
    BITS,
    CALLING,
    CONVERSIONS,
    OPERATORS,
    OPTIONS,
    SOURCE,
    TENSOR_TYPES,
    WEIGHTS,
    chosen_graph,
    numbers,
)
from crossrt.exporters.sources.tflite_file import read_tflite


def read_tflite_file(path: Path) -> QuantizedFile:
    """Reads the graph that the chosen signature of a file runs, and those that its operators call.

    Raises:
        ModelError: It is damaged.
    """
    read_tflite(path)  # says what is damaged
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    file = _File(model, chosen_graph(model))
    graphs = [file]
    if any(file.kind(node) in CALLING for node in file.nodes):
        numbers = range(model.SubgraphsLength())
        graphs += [_File(model, number) for number in numbers if number != chosen_graph(model)]
    return QuantizedFile(
        name=path.name,
        format="tflite",
        stored=[stored for each in graphs for stored in each.stored()],
        layers=[layer for each in graphs for layer in each.layers()],
        constants=[*(constant for each in graphs for constant in each.constants()), *file.loose_buffers()],
        operators=[operator for each in graphs for operator in each.operators()],
        floats={
            each.names[index]: values
            for each in graphs
            for index in each.constant_tensors
            if (values := each.values(index)) is not None and values.dtype.kind == "f"
        },
        outputs=tuple(file.names[file.graph.Outputs(number)] for number in range(file.graph.OutputsLength())),
        path=path,
    )


def float_operators(path: Path) -> list[str]:
    """Kinds of the operators of a file that take and give float32, conversions aside.

    Raises:
        ModelError: It is damaged.
    """
    read_tflite(path)  # says what is damaged
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    file = _File(model, chosen_graph(model))
    floats = {name for index, name in file.names.items() if file.dtype(index) == "float32"}
    operators = [each for each in file.operators() if each.kind not in CONVERSIONS]
    return [each.kind for each in operators if floats.intersection(each.inputs) and floats.intersection(each.outputs)]


class _File:
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
        return frozenset(index for index in range(len(self.tensors)) if self._size(index))

    def _size(self, index: int) -> int:
        number = self.tensors[index].Buffer()
        buffer = self.model.Buffers(number) if 0 < number < self.model.BuffersLength() else None
        return 0 if buffer is None else int(buffer.DataLength() or buffer.Size())

    def kind(self, node: Any) -> str:
        code = self.model.OperatorCodes(node.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = code.CustomCode()
        return str(custom.decode()) if custom else OPERATORS.get(number, str(number))

    def activation(self, node: Any) -> str | None:
        options = OPTIONS.get(self.kind(node))
        table = node.BuiltinOptions()
        if options is None or table is None:
            return None
        found = options()
        found.Init(table.Bytes, table.Pos)
        name = ACTIVATIONS.get(found.FusedActivationFunction(), "NONE")
        return None if name == "NONE" else name

    def operators(self) -> Iterator[Operator]:
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
        if not self._size(index) or not buffer.DataLength() or tensor.Sparsity():
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
            integers=None if values is None else values.astype(np.int64),
            block_size=block_size,
        )

    def stored(self) -> Iterator[Stored]:
        """Every tensor with scales that operators other than conversions use, activations first."""
        found = [each for index in self.roles if (each := self.scaled(index)) is not None]
        yield from sorted(found, key=lambda each: ("activation", "weight", "bias").index(each.role))

    def layers(self) -> Iterator[Layer]:
        for node in self.nodes:
            kind = self.kind(node)
            if kind not in WEIGHTS:
                continue
            place, bias_place, axis = WEIGHTS[kind]
            inputs, outputs = numbers(node, "Inputs"), numbers(node, "Outputs")
            index = inputs[place] if place < len(inputs) else -1
            if index not in self.constant_tensors and self._float16(index) is None:
                continue
            source = self.scaled(inputs[SOURCE.get(kind, 0)])
            weight, output = self.scaled(index), self.scaled(outputs[0])
            has_bias = bias_place is not None and bias_place < len(inputs) and inputs[bias_place] >= 0
            yield Layer(
                name=self.names[outputs[0]].split(";")[0],
                kind=kind,
                tensor=self.names[outputs[0]],
                source=source,
                weight=weight,
                bias=self.scaled(inputs[bias_place]) if has_bias and bias_place is not None else None,
                output=output,
                channel_axis=axis,
                float_weight=None if weight is not None else self.names[index],
                is_depthwise=kind == "DEPTHWISE_CONV_2D",
                is_dynamic=source is None and weight is not None,
                activation=self.activation(node),
            )

    def _float16(self, index: int) -> int | None:
        """The constant behind a tensor that a DEQUANTIZE widens at load."""
        for node in self.nodes:
            if self.kind(node) == "DEQUANTIZE" and node.Outputs(0) == index and node.Inputs(0) in self.constant_tensors:
                return int(node.Inputs(0))
        return None

    def constants(self) -> Iterator[Constant]:
        readers, parameters = self._readers(), self._parameters()
        outputs = set(numbers(self.graph, "Outputs"))
        for index in sorted(self.constant_tensors):
            tensor = self.tensors[index]
            kinds = dict.fromkeys(readers[index]) | ({"output": None} if index in outputs else {})
            kinds |= {"scales": None} if index in parameters else {}
            yield Constant(
                name=self.names[index],
                dtype=self.dtype(index),
                size_bytes=self._size(index),
                elements=int(np.prod(numbers(tensor, "Shape"), dtype=np.int64)),
                readers=tuple(kinds),
                is_parameter=index in parameters,
            )

    def _readers(self) -> defaultdict[int, list[str]]:
        """Types of operators that read each tensor and whose results are used."""
        live = set(numbers(self.graph, "Outputs"))
        found: defaultdict[int, list[str]] = defaultdict(list)
        for node in reversed(self.nodes):
            outputs = set(numbers(node, "Outputs"))
            if outputs & live or not outputs:
                for index in numbers(node, "Inputs"):
                    live.add(index)
                    found[index].append(self.kind(node))
        return found

    def _parameters(self) -> set[int]:
        """Tensors that hold the scales of others."""
        found = set()
        for tensor in self.tensors:
            how = tensor.Quantization()
            if how is not None and how.DetailsType() == schema.QuantizationDetails.BlockwiseQuantization:
                details = schema.BlockwiseQuantization()
                details.Init(how.Details().Bytes, how.Details().Pos)
                found |= {details.Scales(), details.ZeroPoints()}
        return found

    def loose_buffers(self) -> Iterator[Constant]:
        """Values that no tensor of any graph has."""
        graphs = [self.model.Subgraphs(number) for number in range(self.model.SubgraphsLength())]
        used = {graph.Tensors(number).Buffer() for graph in graphs for number in range(graph.TensorsLength())}
        used |= {self.model.Metadata(number).Buffer() for number in range(self.model.MetadataLength())}
        for number in set(range(1, self.model.BuffersLength())) - used:
            buffer = self.model.Buffers(number)
            if size := int(buffer.DataLength() or buffer.Size()):
                yield Constant(name=f"buffer {number}", dtype="", size_bytes=size, elements=size, readers=())
