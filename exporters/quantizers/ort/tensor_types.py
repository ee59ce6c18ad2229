"""Types of tensors that ONNX's shape inference gives up on, such as those behind operators of `ai.onnx.ml`.

ONNX Runtime's calibrator passes over tensors without a type, and its quantizers fail on them. ONNX Runtime itself knows
the types once a model is loaded.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime

_ELEMENT_TYPES = {
    "tensor(float)": onnx.TensorProto.FLOAT,
    "tensor(float16)": onnx.TensorProto.FLOAT16,
    "tensor(double)": onnx.TensorProto.DOUBLE,
    "tensor(int64)": onnx.TensorProto.INT64,
    "tensor(int32)": onnx.TensorProto.INT32,
    "tensor(bool)": onnx.TensorProto.BOOL,
    "tensor(string)": onnx.TensorProto.STRING,
}


def add_missing_types(path: Path) -> None:
    """Writes into a file the types and shapes of tensors that it does not tell, where ONNX Runtime knows them."""
    model = onnx.load(path)
    if not (missing := _missing(model)):
        return
    found = [value for value in _known_to_runtime(model, missing) if value is not None]
    if found:
        model.graph.value_info.extend(found)
        onnx.save(model, path)


def _missing(model: onnx.ModelProto) -> list[str]:
    graph = model.graph
    known = {each.name for values in (graph.value_info, graph.output) for each in values}
    return [name for node in graph.node for name in node.output if name and name not in known]


def _known_to_runtime(model: onnx.ModelProto, names: list[str]) -> list[onnx.ValueInfoProto | None]:
    """The tensors as outputs of a model that is loaded and never run."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    extended.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            extended.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # whatever it cannot load is told where it is needed
        return []
    return [_value(each) for each in session.get_outputs() if each.name in set(names)]


def _value(output: onnxruntime.NodeArg) -> onnx.ValueInfoProto | None:
    kind = _ELEMENT_TYPES.get(output.type)
    if kind is None:
        return None
    return onnx.helper.make_tensor_value_info(output.name, kind, output.shape or None)
