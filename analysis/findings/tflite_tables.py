"""What TFLite's operators take, and names of the numbers in a file. The schema's classes are untyped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ai_edge_litert import schema_py_generated as schema

from crossrt.exporters.sources.tflite_file import choose_signature

WEIGHTS: Final[Mapping[str, tuple[int, int | None, int]]] = {
    "CONV_2D": (1, 2, 0),
    "DEPTHWISE_CONV_2D": (1, 2, 3),
    "FULLY_CONNECTED": (1, 2, 0),
    "TRANSPOSE_CONV": (1, 3, 0),
    "BATCH_MATMUL": (1, None, -1),
    "EMBEDDING_LOOKUP": (1, None, 0),
}
"""Places of weights and bias among the inputs of an operator, and where its output channels lie."""
SOURCE: Final = {"TRANSPOSE_CONV": 2, "EMBEDDING_LOOKUP": 0}
CALLING: Final = ("IF", "WHILE", "CALL_ONCE", "CALL", "STABLEHLO_COMPOSITE", "STABLEHLO_WHILE", "STABLEHLO_CASE")
CONVERSIONS: Final = ("QUANTIZE", "DEQUANTIZE")
ACTIVATIONS: Final = {value: name for name, value in vars(schema.ActivationFunctionType).items() if name.isupper()}
TENSOR_TYPES: Final = {value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()}
OPERATORS: Final = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
OPTIONS: Final = {
    "CONV_2D": schema.Conv2DOptions,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptions,
    "FULLY_CONNECTED": schema.FullyConnectedOptions,
    "TRANSPOSE_CONV": schema.TransposeConvOptions,
    "ADD": schema.AddOptions,
    "SUB": schema.SubOptions,
    "MUL": schema.MulOptions,
    "DIV": schema.DivOptions,
    "CONCATENATION": schema.ConcatenationOptions,
    "MAX_POOL_2D": schema.Pool2DOptions,
    "AVERAGE_POOL_2D": schema.Pool2DOptions,
}
BITS: Final = {"int4": 4, "uint4": 4, "int2": 2}


def numbers(table: Any, name: str) -> list[int]:
    """A vector of a table."""
    return [int(getattr(table, name)(number)) for number in range(getattr(table, f"{name}Length")())]


def chosen_graph(model: Any) -> int:
    """The number of the graph that the chosen signature runs."""
    signatures = [model.SignatureDefs(number) for number in range(model.SignatureDefsLength())]
    chosen, _ = choose_signature([each.SignatureKey().decode() for each in signatures])
    return int(signatures[chosen].SubgraphIndex()) if chosen is not None else 0
