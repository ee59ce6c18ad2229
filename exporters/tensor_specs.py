"""Reading a model file's own inputs and outputs, once, when its manifest is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter

from exporters.artifact import TensorSpec
from exporters.errors import ExportError

Specs = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]


def onnx_specs(path: Path) -> Specs:
    """Inputs and outputs of an ONNX file."""
    graph = onnx.load(path).graph
    return _of_values(graph.input), _of_values(graph.output)


def tflite_specs(path: Path) -> Specs:
    """Inputs and outputs of a TFLite file with one signature, in the signature's names.

    Raises:
        ExportError: The file has no signature or several.
    """
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    signatures = list(interpreter.get_signature_list())
    if len(signatures) != 1:
        raise ExportError(f"{path} has {len(signatures)} signatures; crossrt runs files with exactly one")
    runner = interpreter.get_signature_runner(signatures[0])
    return _of_details(runner.get_input_details()), _of_details(runner.get_output_details())


def _of_values(values: Iterable[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    return tuple(_of_value(value) for value in values)


def _of_value(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    return TensorSpec(
        name=value.name,
        dtype=str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)),
        shape=tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim),
    )


def _of_details(details: dict[str, dict[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(_of_detail(name, detail) for name, detail in details.items())


def _of_detail(name: str, detail: dict[str, Any]) -> TensorSpec:
    dtype = np.dtype(detail["dtype"])
    scale, zero_point = detail["quantization"]
    is_quantized = dtype.kind in "iu" and scale > 0
    return TensorSpec(
        name=name,
        dtype=dtype.name,
        shape=tuple(None if size < 0 else int(size) for size in detail["shape_signature"]),
        scale=float(scale) if is_quantized else None,
        zero_point=int(zero_point) if is_quantized else None,
    )
