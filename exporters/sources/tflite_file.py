"""TFLite files, read from their FlatBuffer: no interpreter is made, so an odd file cannot end the process."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from crossrt.core.artifact import Granularity, Quantization, Scheme
from crossrt.core.tensor import Dimension, TensorSpec
from crossrt.exporters.errors import ModelError, first_line
from crossrt.exporters.sources.activation_memory import Peak
from crossrt.exporters.sources.tflite_memory import tflite_activation_peak

IDENTIFIER: Final = b"TFL3"
DEFAULT: Final = "serving_default"
BATCH = "batch"
_DTYPES = {"STRING": "str", "BOOL": "bool"}
_WEIGHT_TYPES = ("INT8", "UINT8", "INT4", "INT2", "UINT4", "INT16")
_SMALL = 4
_MOST_CHECKED_BYTES = 2**28
_MOST_HALVES = 0.5
"""A file with so much of its weights in float16 is one in float16."""


def has_identifier(head: bytes) -> bool:
    """True if a file starts as TFLite files do."""
    return head[4:8] == IDENTIFIER


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteFile:
    """What a file says.

    Attributes:
        inputs: Inputs of the chosen signature, or of the first subgraph.
        outputs: Its outputs.
        signature: Its key, or None where the file has none.
        operators: How many there are of each type.
        custom: Names of operators that are not TFLite's own.
        weight_bytes: Bytes of constants by dtype.
        largest_float: Elements of the largest float32 constant.
        quantization: How it is quantized, or None for a float file.
        peak: Most memory that its activations take at once, or None where that cannot be told.
        description: What the file says of itself.
        notes: What a reader must know.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    signature: str | None
    operators: dict[str, int]
    custom: tuple[str, ...]
    weight_bytes: dict[str, int]
    largest_float: int
    quantization: Quantization | None
    description: str
    peak: Peak | None = None
    notes: tuple[str, ...] = field(default=())


def read_tflite(path: Path) -> TfliteFile:
    """Reads a file.

    Raises:
        ModelError: It is damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    if not has_identifier(content[:8]):
        raise ModelError(f"{path} ({len(content)} bytes) is not a TFLite file")
    try:
        return _read(_Reader(schema.Model.GetRootAs(content, 0), schema))
    except ModelError:
        raise
    except struct.error as error:
        raise ModelError(
            f"{path} ({len(content)} bytes) is a damaged TFLite file: it points beyond its end, as one does that was"
            " cut short"
        ) from error
    except Exception as error:  # the reader raises whatever a wrong offset happens to hit
        raise ModelError(f"{path} ({len(content)} bytes) is a damaged TFLite file: {first_line(error)}") from error


def _read(file: _Reader) -> TfliteFile:
    signatures = file.signatures()
    chosen, notes = choose_signature([each.SignatureKey().decode() for each in signatures])
    signature = signatures[chosen] if chosen is not None else None
    subgraph = file.model.Subgraphs(signature.SubgraphIndex() if signature else 0)
    if signature is not None:
        taken = [signature.Inputs(number) for number in range(signature.InputsLength())]
        given = [signature.Outputs(number) for number in range(signature.OutputsLength())]
        inputs = [(each.Name().decode(), each.TensorIndex()) for each in taken]
        outputs = [(each.Name().decode(), each.TensorIndex()) for each in given]
    else:
        inputs = [(file.name(subgraph, index), index) for index in file.numbers(subgraph, "Inputs")]
        outputs = [(file.name(subgraph, index), index) for index in file.numbers(subgraph, "Outputs")]
    steps = file.steps(subgraph)
    weights = file.weight_bytes()
    return TfliteFile(
        inputs=tuple(file.spec(name, subgraph, index, {}) for name, index in inputs),
        outputs=tuple(file.spec(name, subgraph, index, steps) for name, index in outputs),
        signature=signature.SignatureKey().decode() if signature else None,
        operators=file.operators(),
        custom=file.custom(),
        weight_bytes=weights,
        largest_float=file.largest_float(),
        quantization=file.quantization(subgraph, weights),
        peak=file.peak(signature.SubgraphIndex() if signature else 0),
        description=(file.model.Description() or b"").decode(errors="replace"),
        notes=(*notes, *file.warnings()),
    )


def choose_signature(keys: Sequence[str]) -> tuple[int | None, tuple[str, ...]]:
    """Number of the only signature, else of `serving_default`, else of the first; and what a reader must know."""
    if not keys:
        return None, ("the file has no signature: inputs and outputs have the names of their tensors",)
    chosen = keys.index(DEFAULT) if DEFAULT in keys else 0
    others = [key for number, key in enumerate(keys) if number != chosen]
    return chosen, (f"signature {keys[chosen]} is used, not {', '.join(others)}",) if others else ()


class _Reader:
    """Reads tables of a FlatBuffer; the schema's classes are generated and untyped."""

    def __init__(self, model: Any, schema: Any) -> None:
        self.model = model
        self._types = _names(schema.TensorType)
        self._operators = _names(schema.BuiltinOperator)
        if not model.SubgraphsLength():
            raise ModelError("the TFLite file holds no graph")

    def signatures(self) -> list[Any]:
        return [self.model.SignatureDefs(number) for number in range(self.model.SignatureDefsLength())]

    def subgraphs(self) -> list[Any]:
        return [self.model.Subgraphs(number) for number in range(self.model.SubgraphsLength())]

    def numbers(self, table: Any, name: str) -> list[int]:
        return [getattr(table, name)(number) for number in range(getattr(table, f"{name}Length")())]

    def name(self, subgraph: Any, index: int) -> str:
        return str(subgraph.Tensors(index).Name().decode())

    def _code(self, operator: Any) -> str:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        return code.CustomCode().decode() if code.CustomCode() else self._operators.get(number, str(number))

    def _calls(self) -> Iterator[Any]:
        for subgraph in self.subgraphs():
            for number in range(subgraph.OperatorsLength()):
                yield subgraph.Operators(number)

    def operators(self) -> dict[str, int]:
        return dict(Counter(self._code(each) for each in self._calls()).most_common())

    def custom(self) -> tuple[str, ...]:
        codes = [self.model.OperatorCodes(number) for number in range(self.model.OperatorCodesLength())]
        return tuple(sorted({each.CustomCode().decode() for each in codes if each.CustomCode()}))

    def spec(self, name: str, subgraph: Any, index: int, steps: Mapping[int, float]) -> TensorSpec:
        tensor = subgraph.Tensors(index)
        dtype = self._dtype(tensor)
        scales = [float(each) for each in self.numbers(tensor.Quantization(), "Scale")] if tensor.Quantization() else []
        is_quantized = dtype.startswith(("int", "uint")) and len(scales) == 1 and scales[0] > 0
        zero_points = self.numbers(tensor.Quantization(), "ZeroPoint") if is_quantized else []
        return TensorSpec(
            name=name,
            dtype=dtype,
            shape=self._shape(name, tensor),
            scale=scales[0] if is_quantized else None,
            zero_point=(int(zero_points[0]) if zero_points else 0) if is_quantized else None,
            step=steps.get(index),
        )

    def _dtype(self, tensor: Any) -> str:
        name = self._types.get(tensor.Type(), "unknown")
        return _DTYPES.get(name, name.lower())

    def _shape(self, name: str, tensor: Any) -> tuple[Dimension, ...]:
        sizes = self.numbers(tensor, "ShapeSignature") or self.numbers(tensor, "Shape")
        return tuple(
            int(size) if size >= 0 else BATCH if axis == 0 else f"{name}[{axis}]" for axis, size in enumerate(sizes)
        )

    def steps(self, subgraph: Any) -> dict[int, float]:
        """Scale of the integers behind each tensor that a DEQUANTIZE makes from them."""
        found: dict[int, float] = {}
        for number in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(number)
            if self._code(operator) == "DEQUANTIZE":
                source = subgraph.Tensors(operator.Inputs(0))
                scales = self.numbers(source.Quantization(), "Scale") if source.Quantization() else []
                if len(scales) == 1 and scales[0] > 0:
                    found[int(operator.Outputs(0))] = float(scales[0])
        return found

    def _constants(self) -> Iterator[tuple[Any, int]]:
        """Tensors with values in the file, each buffer once, with their size."""
        seen: set[int] = set()
        for subgraph in self.subgraphs():
            for number in range(subgraph.TensorsLength()):
                tensor = subgraph.Tensors(number)
                buffer = tensor.Buffer()
                data = self.model.Buffers(buffer) if 0 < buffer < self.model.BuffersLength() else None
                size = 0 if data is None else int(data.DataLength() or data.Size())
                if size and buffer not in seen:
                    seen.add(buffer)
                    yield tensor, size

    def weight_bytes(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for tensor, size in self._constants():
            found[self._dtype(tensor)] += size
        return dict(found.most_common())

    def warnings(self) -> Iterator[str]:
        for tensor, size in self._constants():
            is_checked = self._dtype(tensor) == "float32" and size <= _MOST_CHECKED_BYTES
            if is_checked and np.isnan(np.frombuffer(self._content(tensor.Buffer()), dtype="<f4")).any():
                yield f"the weights {tensor.Name().decode()} hold NaN or infinity: answers will, too"
                return

    def _content(self, number: int) -> Any:
        """The bytes of a buffer, which may lie behind the tables of the file."""
        buffer = self.model.Buffers(number)
        if buffer.DataLength():
            return buffer.DataAsNumpy()
        return self.model._tab.Bytes[buffer.Offset() : buffer.Offset() + buffer.Size()]

    def peak(self, number: int) -> Peak | None:
        try:
            return tflite_activation_peak(self.model, self.model.Subgraphs(number), number, self._types)
        except Exception:  # what an odd graph happens to hit: the figure is missing, and the file may run
            return None

    def largest_float(self) -> int:
        return max((size // 4 for tensor, size in self._constants() if self._dtype(tensor) == "float32"), default=0)

    def quantization(self, subgraph: Any, weights: Mapping[str, int]) -> Quantization | None:
        """How constants and activations are quantized, from the types of tensors."""
        kinds, is_per_channel = Counter[str](), False
        for tensor, size in self._constants():
            scales = self.numbers(tensor.Quantization(), "Scale") if tensor.Quantization() else []
            if scales and self._types.get(tensor.Type()) in _WEIGHT_TYPES and size > _SMALL:
                kinds[self._dtype(tensor)] += size
                is_per_channel |= len(scales) > 1
        floats = weights.get("float32", 0) + weights.get("float16", 0)
        if not kinds:
            halves = weights.get("float16", 0) / floats if floats else 0.0
            return _float16(halves) if halves >= _MOST_HALVES else None
        activation = self._activation_type(subgraph)
        scheme: Scheme = "static" if activation else "dynamic"
        granularity: Granularity = "per-channel" if is_per_channel else "per-tensor"
        return Quantization(
            scheme=scheme,
            representation="tflite",
            activation_type=activation or "int8",
            weight_type=kinds.most_common(1)[0][0],
            granularity=granularity,
            symmetric_activations=activation == "int16",
            quantized_share=kinds.total() / (kinds.total() + floats),
            io_dtype=self._dtype(subgraph.Tensors(subgraph.Inputs(0))) if subgraph.InputsLength() else "float32",
        )

    def _activation_type(self, subgraph: Any) -> str | None:
        """Type of most quantized tensors that are computed, or None where all are float."""
        found: Counter[str] = Counter()
        for number in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(number)
            for place in range(operator.OutputsLength()):
                tensor = subgraph.Tensors(operator.Outputs(place))
                if tensor.Quantization() and tensor.Quantization().ScaleLength():
                    found[self._dtype(tensor)] += 1
        found = Counter({name: count for name, count in found.items() if name in ("int8", "uint8", "int16")})
        return found.most_common(1)[0][0] if found else None


def _float16(share: float) -> Quantization:
    return Quantization(
        scheme="float16",
        representation="tflite",
        activation_type=None,
        weight_type="float16",
        granularity="per-tensor",
        quantized_share=share,
    )


def _names(enumeration: Any) -> dict[int, str]:
    return {int(value): name for name, value in vars(enumeration).items() if isinstance(value, int)}
