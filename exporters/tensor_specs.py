"""Reading a model file's own inputs and outputs, once, when its manifest is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter

from crossrt.core.artifact import TensorSpec
from crossrt.exporters.errors import ExportError

Specs = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]


def onnx_specs(path: Path) -> Specs:
    """Inputs and outputs of an ONNX file."""
    graph = onnx.load(path).graph
    steps = _onnx_steps(graph)
    return tuple(_of_value(each, {}) for each in graph.input), tuple(_of_value(each, steps) for each in graph.output)


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
    inputs, outputs, steps = runner.get_input_details(), runner.get_output_details(), _tflite_steps(interpreter)
    return (
        tuple(_of_detail(name, detail, {}) for name, detail in inputs.items()),
        tuple(_of_detail(name, detail, steps) for name, detail in outputs.items()),
    )


def _onnx_steps(graph: onnx.GraphProto) -> dict[str, float]:
    """Scale of the integers behind each tensor that a DequantizeLinear makes from them."""
    scales = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    makers = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[1] in scales]
    return {node.output[0]: float(scales[node.input[1]].item()) for node in makers if scales[node.input[1]].size == 1}


def _tflite_steps(interpreter: Interpreter) -> dict[int, float]:
    """The same for a TFLite file, by index of the tensor."""
    scales = {int(each["index"]): float(each["quantization"][0]) for each in interpreter.get_tensor_details()}
    details = getattr(interpreter, "_get_ops_details", list)  # a private method: a newer LiteRT may drop it
    makers = [each for each in details() if each["op_name"] == "DEQUANTIZE"]
    steps = {int(each["outputs"][0]): scales[int(each["inputs"][0])] for each in makers}
    return {index: scale for index, scale in steps.items() if scale > 0}  # 0: made from float16


def _of_value(value: onnx.ValueInfoProto, steps: Mapping[str, float]) -> TensorSpec:
    tensor = value.type.tensor_type
    return TensorSpec(
        name=value.name,
        dtype=str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)),
        shape=tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim),
        step=steps.get(value.name),
    )


def _of_detail(name: str, detail: dict[str, Any], steps: Mapping[int, float]) -> TensorSpec:
    dtype = np.dtype(detail["dtype"])
    scale, zero_point = detail["quantization"]
    is_quantized = dtype.kind in "iu" and scale > 0
    return TensorSpec(
        name=name,
        dtype=dtype.name,
        shape=tuple(None if size < 0 else int(size) for size in detail["shape_signature"]),
        scale=float(scale) if is_quantized else None,
        zero_point=int(zero_point) if is_quantized else None,
        step=steps.get(int(detail["index"])),
    )
