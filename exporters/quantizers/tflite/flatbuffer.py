"""A TFLite file as objects that can be changed and written again. The schema's classes are generated and untyped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder

from crossrt.exporters.errors import ExportError
from crossrt.exporters.sources.tflite_file import IDENTIFIER, choose_signature, read_tflite

MOST_BYTES = 2**31 - 2**20
_CALLING = ("IF", "WHILE", "CALL_ONCE", "CALL", "STABLEHLO_COMPOSITE", "STABLEHLO_WHILE", "STABLEHLO_CASE")
_OPERATORS: dict[int, str] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}


class FlatModel:
    """The graph that the chosen signature of a file runs, and nothing else of the file.

    Attributes:
        tables: The file.
        graph: Its one subgraph, or the first, where its operators call others.
        calls_others: Whether they do.
    """

    def __init__(self, path: Path) -> None:
        """Reads a file.

        Raises:
            ExportError: It is damaged, larger than 2 GB, or is quantized already.
        """
        content = path.read_bytes()
        if len(content) > MOST_BYTES:
            raise ExportError(f"{path.name} has {len(content)} bytes; TFLite files of up to 2 GB are quantized")
        _check_float(path)
        self.tables: Any = schema.ModelT.InitFromPackedBuf(content, 0)
        self.calls_others = any(
            self.operator(each) in _CALLING for graph in self.tables.subgraphs for each in graph.operators
        )
        self._keep_chosen()
        self.graph: Any = self.tables.subgraphs[0]
        self._check_weights(path)

    def _keep_chosen(self) -> None:
        """Drops other signatures with their graphs; where operators call graphs, all of these stay."""
        signatures = self.tables.signatureDefs or []
        chosen, _ = choose_signature([_text(each.signatureKey) for each in signatures])
        if chosen is None:
            return
        signature = signatures[chosen]
        if self.calls_others:
            if signature.subgraphIndex != 0:
                raise ExportError(
                    f"the signature {_text(signature.signatureKey)} does not belong to the first graph of a file with"
                    " loops or branches, and no other graph of such a file is quantized: export that signature alone"
                )
            return
        self.tables.signatureDefs = [signature]
        self.tables.subgraphs = [self.tables.subgraphs[signature.subgraphIndex]]
        signature.subgraphIndex = 0

    def _check_weights(self, path: Path) -> None:
        for index, tensor in enumerate(self.graph.tensors):
            values = self.floats(index)
            # infinity alone is also written on purpose, for masks
            if values is not None and (np.isnan(values).any() or (values.ndim > 1 and not np.isfinite(values).any())):
                raise ExportError(
                    f"the weights {_text(tensor.name)} of {path.name} hold NaN or infinity: no scale can be found for"
                    " them; train the model again"
                )

    def operator(self, node: Any) -> str:
        """The name of a node's operator; that of TFLite's own for all custom ones is `CUSTOM`."""
        code = self.tables.operatorCodes[node.opcodeIndex]
        return _OPERATORS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "unknown")

    def input_names(self) -> list[str]:
        """Names of the graph's inputs, in its order: those of the signature where there is one."""
        signatures = self.tables.signatureDefs or []
        names = {each.tensorIndex: _text(each.name) for each in signatures[0].inputs} if signatures else {}
        return [names.get(int(index), _text(self.graph.tensors[index].name)) for index in self.graph.inputs]

    def floats(self, index: int) -> np.ndarray[Any, Any] | None:
        """The values of a constant float32 tensor, or None for any other tensor."""
        tensor = self.graph.tensors[index] if index >= 0 else None
        if tensor is None or tensor.type != schema.TensorType.FLOAT32 or tensor.isVariable or tensor.sparsity:
            return None
        data = self.tables.buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
        return np.frombuffer(bytes(data), dtype="<f4").reshape(shape)

    def add_buffer(self, values: np.ndarray[Any, Any]) -> int:
        """Adds constant values; gives their number."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), dtype=np.uint8)
        self.tables.buffers.append(buffer)
        return len(self.tables.buffers) - 1

    def add_tensor(self, like: Any, name: str, dtype: int, buffer: int) -> int:
        """Adds a tensor of the shape of another; gives its number."""
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = name, dtype, buffer
        tensor.shape, tensor.shapeSignature, tensor.hasRank = like.shape, like.shapeSignature, like.hasRank
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def dequantizing(self, source: int, target: int, version: int) -> Any:
        """A node that makes floats of a tensor."""
        node = schema.OperatorT()
        node.opcodeIndex = self._code(schema.BuiltinOperator.DEQUANTIZE, version)
        node.inputs, node.outputs = [source], [target]
        node.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
        node.builtinOptions = schema.DequantizeOptionsT()
        return node

    def raise_version(self, node: Any, version: int) -> None:
        """Says that a node needs a runtime that knows this version of its operator."""
        code = self.tables.operatorCodes[node.opcodeIndex]
        code.version = max(code.version, version)

    def _code(self, number: int, version: int) -> int:
        codes = self.tables.operatorCodes
        for place, each in enumerate(codes):
            if max(each.builtinCode, each.deprecatedBuiltinCode) == number:
                each.version = max(each.version, version)
                return place
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
        codes.append(code)
        return len(codes) - 1

    def packed(self) -> bytes:
        """The file; what nothing in it uses any more is dropped."""
        self._drop_unused_codes()
        used = {tensor.buffer for graph in self.tables.subgraphs for tensor in graph.tensors}
        used |= {each.buffer for each in self.tables.metadata or []}
        for number, buffer in enumerate(self.tables.buffers):
            if number not in used:
                buffer.data = None
        builder = Builder(1024)
        builder.Finish(self.tables.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())

    def _drop_unused_codes(self) -> None:
        """The calibrator refuses codes of operators that no node has."""
        nodes = [node for graph in self.tables.subgraphs for node in graph.operators]
        used = sorted({node.opcodeIndex for node in nodes})
        self.tables.operatorCodes = [self.tables.operatorCodes[number] for number in used]
        places = {number: place for place, number in enumerate(used)}
        for node in nodes:
            node.opcodeIndex = places[node.opcodeIndex]


def _check_float(path: Path) -> None:
    found = read_tflite(path)
    if found.quantization is not None:
        what = "float16" if found.quantization.scheme == "float16" else "quantized"
        raise ExportError(f"{path.name} is {what} already: bring the float32 file that it was made from")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
