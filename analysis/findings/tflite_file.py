"""Reads any TFLite file for the checks, from its FlatBuffer: no interpreter is made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from crossrt.analysis.audit.record import Stored
from crossrt.analysis.findings.quantized_file import Constant, Layer, QuantizedFile
from crossrt.analysis.findings.tflite_graph import TfliteGraph
from crossrt.analysis.findings.tflite_tables import (
    CALLING,
    CONVERSIONS,
    SOURCE,
    WEIGHTS,
    chosen_graph,
    numbers,
)
from crossrt.exporters.inspect import KNOWN_CUSTOM
from crossrt.exporters.sources.tflite_file import read_tflite


def read_tflite_file(path: Path) -> QuantizedFile:
    """Reads the graph that the chosen signature of a file runs, and those that its operators call.

    Raises:
        ModelError: It is damaged.
    """
    known = read_tflite(path)  # says what is damaged
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
        custom=tuple(name for name in known.custom if name not in KNOWN_CUSTOM),
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


class _File(TfliteGraph):
    """The same as the checks see it."""

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
                size_bytes=self.size(index),
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
