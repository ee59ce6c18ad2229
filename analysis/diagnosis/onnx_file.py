"""An ONNX file beside its float32 model: the integers of every activation, as the shipped kernels compute them.

Only integer tensors are made outputs. In a QDQ file that is what QuantizeLinear gives, so that the operators around it
still fuse; whether they do is checked on the optimised graphs with and without the added outputs.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from crossrt.analysis.audit.affine import Affine
from crossrt.analysis.audit.onnx_file import stored_in_onnx
from crossrt.analysis.diagnosis.measure import Measure, Ratio
from crossrt.analysis.diagnosis.record import DiagnosedTensor, Diagnosis, Kernels
from crossrt.exporters.ort.calibrate import batches

_QUANTIZED = "_quantized"
_QDQ_INPUT = "_QuantizeLinear_Input"
_REMOVABLE = ("Relu", "Clip")
_PRECISE = {"session.x64quantprecision": "1"}


@dataclass(frozen=True, slots=True)
class _Observed:
    """A quantized activation: the tensor to read, its float32 counterpart, its type and scheme."""

    output: str
    original: str
    dtype: str
    affine: Affine


def diagnose_onnx(path: Path, prepared: Path, digits: NDArray[np.float32]) -> Diagnosis:
    """Runs both models over the digits.

    Args:
        path: The quantized file.
        prepared: The float32 model as the quantizer saw it.
        digits: float32 `(count, 28, 28, 1)`.
    """
    quantized, original = onnx.load(path), onnx.load(prepared)
    known = {name for node in original.graph.node for name in node.output}
    known |= {each.name for each in original.graph.input}
    activations = list(_activations(quantized, original))
    observed = [each for each in activations if each.original in known]
    outputs, originals = [each.output for each in observed], [each.original for each in observed]
    is_shipped = _fusions(quantized, []) == _fusions(quantized, outputs)
    measures = _measures(observed, is_shipped=is_shipped)
    precise = _measures(observed, is_shipped=False)
    logits = [output.name for output in original.graph.output]
    ratios = Ratio(), Ratio()
    exact_session = _session(original, originals, {}, is_optimised=False)
    observing = [_session(quantized, outputs, how) for how in ({}, _PRECISE)]
    plain = [_session(quantized, [], how) for how in ({}, _PRECISE)]
    for feed in batches(digits):
        exact = _run(exact_session, [*originals, *logits], feed)
        for session, side in zip(observing, (measures, precise), strict=True):
            found = _run(session, outputs, feed)
            for measure, each in zip(side, observed, strict=True):
                measure.add(exact[each.original], found[each.output])
        for session, ratio in zip(plain, ratios, strict=True):
            answers = _run(session, logits, feed)
            ratio.add(*(side[logits[0]].astype(np.float64) for side in (exact, answers)))
    makers = _makers(original)
    tensors = [
        measure.result(place, makers.get(measure.name), other.ratio.sqnr_db)
        for place, (measure, other) in enumerate(zip(measures, precise, strict=True))
    ]
    return Diagnosis(
        tensors=(*tensors, *_constants(path, original, len(tensors))),
        samples=len(digits),
        missing=tuple(each.output for each in activations if each.original not in known),
        shipped_logits_db=ratios[0].sqnr_db,
        precise_logits_db=ratios[1].sqnr_db,
    )


def _makers(original: onnx.ModelProto) -> dict[str, str]:
    """The node that computes a tensor; behind a Relu, the node before it."""
    makers = {name: node for node in original.graph.node for name in node.output}
    found = {}
    for name, node in makers.items():
        source = makers.get(node.input[0]) if node.op_type in _REMOVABLE else node
        found[name] = (source or node).name
    return found


def _measures(observed: Sequence[_Observed], *, is_shipped: bool) -> list[Measure]:
    kernels: Kernels = "shipped" if is_shipped else "simulated"
    return [Measure(each.original, "activation", each.dtype, each.affine, None, kernels) for each in observed]


def _activations(quantized: onnx.ModelProto, original: onnx.ModelProto) -> Iterator[_Observed]:
    arrays = {each.name: numpy_helper.to_array(each) for each in quantized.graph.initializer}
    types = {each.name: onnx.TensorProto.DataType.Name(each.data_type).lower() for each in quantized.graph.initializer}
    kept = {node.output[0] for node in quantized.graph.node if node.op_type in _REMOVABLE}
    schemes: dict[str, tuple[Affine, str]] = {}
    for node in quantized.graph.node:
        output = node.output[0]
        if node.op_type == "QuantizeLinear" and node.input[1] in arrays:
            name = node.input[0].removesuffix(_QDQ_INPUT)
            affine = Affine(arrays[node.input[1]], arrays[node.input[2]].astype(np.int64))
            schemes[output] = affine, types[node.input[2]]
        elif output.endswith(_QUANTIZED):
            name = output.removesuffix(_QUANTIZED)
            scale, zero_point = arrays.get(f"{name}_scale"), arrays.get(f"{name}_zero_point")
            if scale is not None and zero_point is not None:
                schemes[output] = Affine(scale, zero_point.astype(np.int64)), types[f"{name}_zero_point"]
            elif node.input[0] in schemes:  # it only moves or picks values
                schemes[output] = schemes[node.input[0]]
        if output in schemes:
            affine, dtype = schemes[output]
            yield _Observed(output, _behind_relu(name, original, kept), dtype, affine)


def _behind_relu(name: str, original: onnx.ModelProto, kept: set[str]) -> str:
    """The output of the Relu that the quantizer folded into this tensor, or the tensor itself."""
    readers = [node for node in original.graph.node if name in node.input]
    if len(readers) == 1 and readers[0].op_type in _REMOVABLE and readers[0].output[0] not in kept:
        return str(readers[0].output[0])
    return name


def _with_outputs(model: onnx.ModelProto, names: list[str]) -> bytes:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    present = {output.name for output in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names) if name not in present)
    return bytes(copy.SerializeToString())


def _session(
    model: onnx.ModelProto, names: list[str], entries: Mapping[str, str], *, is_optimised: bool = True
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    if not is_optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        _with_outputs(model, [name for name in names if name not in {each.name for each in model.graph.input}]),
        sess_options=options,
        providers=["CPUExecutionProvider"],
    )


def _run(
    session: onnxruntime.InferenceSession, names: list[str], feed: dict[str, NDArray[np.float32]]
) -> Mapping[str, NDArray[np.generic]]:
    wanted = [name for name in dict.fromkeys(names) if name not in feed]
    return {**feed, **(dict(zip(wanted, session.run(wanted, feed), strict=True)) if wanted else {})}


def _fusions(model: onnx.ModelProto, names: list[str]) -> Counter[str]:
    """How often each operator that computes is in the optimised graph; conversions come and go with outputs."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        options.log_severity_level = 4  # it warns that the file is for this machine alone
        onnxruntime.InferenceSession(
            _with_outputs(model, names), sess_options=options, providers=["CPUExecutionProvider"]
        )
        nodes = onnx.load(options.optimized_model_filepath).graph.node
    moved = ("QuantizeLinear", "DequantizeLinear", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity")
    return Counter(node.op_type for node in nodes if node.op_type not in moved)


def _constants(path: Path, original: onnx.ModelProto, place: int) -> Iterator[DiagnosedTensor]:
    values = {each.name: numpy_helper.to_array(each) for each in original.graph.initializer}
    for each in stored_in_onnx(path, original):
        if each.role != "activation" and each.integers is not None:
            measure = Measure(each.name, each.role, each.dtype, each.affine, each.axis, "stored")
            measure.add(values[each.name], each.integers.reshape(values[each.name].shape))
            yield measure.result(place)
