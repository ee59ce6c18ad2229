"""What an ONNX file says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.external_data_helper import uses_external_data

from crossrt.core.artifact import sha256_of
from crossrt.core.tensor import ExpectedRange, batching_of
from crossrt.exporters.inspection import Inspection
from crossrt.exporters.sources.detect import model_name
from crossrt.exporters.sources.onnx_file import data_files, nodes_of, read_structure, total_bytes, weights_of
from crossrt.exporters.sources.onnx_memory import onnx_activation_peak
from crossrt.exporters.sources.onnx_tensors import signature_of
from crossrt.exporters.sources.onnx_weights import float_dtype, quantization_of, role_of, weight_bytes
from crossrt.exporters.sources.scaling import expected, factor_text, range_around, range_before

KNOWN_DOMAINS: Final = frozenset(
    {
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.training",
        "ai.onnx.preview.training",
        "com.microsoft",
        "com.microsoft.experimental",
        "com.microsoft.nchwc",
        "com.ms.internal.nhwc",
        "org.pytorch.aten",
    }
)
_DRAWING: Final = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_STEPS_IN: Final = {"DequantizeLinear": 1, "QLinearConv": 1, "QLinearMatMul": 1}
_STEPS_OUT: Final = {"QuantizeLinear": 1, "QLinearConv": 6, "QLinearMatMul": 6}
"""By operator, the place of the scale of what it reads and gives among its inputs; the zero point is the next."""

_MOST_CHECKED_BYTES = 2**28


def inspect_onnx(path: Path) -> Inspection:
    """Reads a file without loading external weights.

    Raises:
        ModelError: It is damaged, or its data files are missing or lie elsewhere.
    """
    model = read_structure(path)
    files = data_files(path, model)
    signature = signature_of(model)
    weights = weight_bytes(model)
    quantization = quantization_of(model, weights)
    problem = signature.problem or _domain_problem(model)
    preprocessing = list(_preprocessing(model))
    batching = batching_of(signature.inputs)
    peak = None if problem else onnx_activation_peak(model, batching)
    return Inspection(
        kind="onnx",
        path=str(path),
        model=model_name(path),
        sha256=sha256_of(path, *(path.parent / name for name in files)),
        size_bytes=total_bytes(path, files),
        data_files=files,
        inputs=signature.inputs,
        outputs=signature.outputs,
        batching=batching,
        role=role_of(quantization),
        quantization=quantization,
        float_dtype=float_dtype(weights),
        weight_bytes=weights,
        activation_bytes=peak.size_bytes if peak else None,
        activation_peak=peak.at if peak else "",
        operators=dict(Counter(_kind(node) for node in nodes_of(model)).most_common()),
        opset=max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=None),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        preprocessing=(*(text for text, _ in preprocessing), *_steps(model)),
        expected_ranges=tuple(expects for _, expects in preprocessing if expects is not None),
        exports=() if problem else ("onnx",),
        notes=(*signature.notes, *_notes(model, weights)),
        problem=problem,
    )


def _kind(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}:{node.op_type}"


def _domain_problem(model: onnx.ModelProto) -> str | None:
    """Operators that no runtime has; those that the file itself defines as functions count as known."""
    own = {(each.domain, each.name) for each in model.functions}
    foreign = [
        node for node in nodes_of(model) if node.domain not in KNOWN_DOMAINS and (node.domain, node.op_type) not in own
    ]
    if not foreign:
        return None
    domains = ", ".join(sorted({node.domain for node in foreign}))
    kinds = ", ".join(sorted({node.op_type for node in foreign}))
    return (
        f"the model needs custom operators ({kinds}) of the domain {domains}, which come in a library of their own:"
        " crossrt loads none; export the model with standard operators"
    )


def _notes(model: onnx.ModelProto, weights: dict[str, int]) -> Iterator[str]:
    if drawing := _drawing(model):
        yield f"the model draws random numbers ({', '.join(drawing)}): its answers change from call to call"
    if (name := bad_weight(model)) is not None:
        yield f"the weights {name} hold NaN or infinity: answers will, too"
    if not weights:
        yield "the model has no weights: nothing in it can be quantized"


def _drawing(model: onnx.ModelProto) -> list[str]:
    """Kinds of operators that draw random numbers; a Dropout does unless it is known not to train."""
    constants = {each.name: each for each in weights_of(model) if not uses_external_data(each)}
    constants |= _constant_outputs(model)
    found = set()
    for node in nodes_of(model):
        mode = node.input[2] if node.op_type == "Dropout" and len(node.input) > 2 else ""
        trains = mode and (mode not in constants or onnx.numpy_helper.to_array(constants[mode]).any())
        if node.op_type in _DRAWING or trains:
            found.add(node.op_type)
    return sorted(found)


def bad_weight(model: onnx.ModelProto) -> str | None:
    """The first weight in the file itself that holds NaN, which no weight means; large files are not searched."""
    if model.ByteSize() > _MOST_CHECKED_BYTES:
        return None
    for tensor in weights_of(model):
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16) and not uses_external_data(tensor):
            values = onnx.numpy_helper.to_array(tensor)
            # infinity alone is also written on purpose, for masks and bounds of Clip
            if np.isnan(values).any() or (values.size > 1 and np.isinf(values).all() and values.ndim > 1):
                return str(tensor.name)
    return None


def _preprocessing(model: onnx.ModelProto) -> Iterator[tuple[str, ExpectedRange | None]]:
    """Where the first node of an input scales or shifts it by a constant: in one line, and in values."""
    constants = {each.name: each for each in weights_of(model) if not uses_external_data(each)}
    constants |= _constant_outputs(model)
    names = {each.name for each in model.graph.input if len(each.type.tensor_type.shape.dim) > 1} - constants.keys()
    inputs = {name: name for name in names}
    readers = {name: node for node in model.graph.node for name in node.input[:1]}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in inputs:
            inputs[node.output[0]] = inputs[node.input[0]]
        if node.op_type not in ("Mul", "Div", "Sub") or len(node.input) != 2 or node.input[0] not in inputs:
            continue
        if (constant := constants.get(node.input[1])) is None:
            continue
        name, values = inputs[node.input[0]], _numbers(constant)
        if node.op_type == "Sub" and (found := _normalized(name, values, readers.get(node.output[0]), constants)):
            within = f"{found.minimum:.4g} to {found.maximum:.4g}"
            yield f"{found.because} first: expects values mostly within {within}", found
        elif np.unique(values).size == 1 and values[0] != 0:
            yield _scaling(node.op_type, float(values[0]), name)
        elif 1 < np.unique(values).size <= 4:
            yield f"{node.op_type} by a constant for each channel first: expects values before normalization", None


def _steps(model: onnx.ModelProto) -> Iterator[str]:
    """What quantized inputs and outputs stand for, where the node that reads or gives them tells."""
    constants = {each.name: each for each in weights_of(model) if not uses_external_data(each)}
    constants |= _constant_outputs(model)
    inputs, outputs = ({each.name for each in ends} for ends in (model.graph.input, model.graph.output))
    told: set[str] = set()
    for node in model.graph.node:
        name, found = next(iter(node.input), ""), _affine(node, _STEPS_IN.get(node.op_type), constants)
        if found is not None and name in inputs - told:
            told.add(name)
            dtype, scale, zero = found
            yield (
                f"{name} holds {dtype} steps of {scale:g}: {_minus(name, zero)} * {scale:g} are the real numbers; give"
                f" numpy.rint(real / {scale:g}){f' + {zero}' if zero else ''}, as {dtype}"
            )
        name, found = next(iter(node.output), ""), _affine(node, _STEPS_OUT.get(node.op_type), constants)
        if found is not None and name in outputs:
            dtype, scale, zero = found
            yield f"{name} holds {dtype} steps of {scale:g}: {_minus(name, zero)} * {scale:g} are the real numbers"


def _affine(
    node: onnx.NodeProto, at: int | None, constants: Mapping[str, onnx.TensorProto]
) -> tuple[str, float, int] | None:
    """Dtype, scale and zero point of a tensor, from the inputs `at` and `at + 1` of a node.

    None where they are computed, differ by channel, or are those of no integers.
    """
    if at is None or len(node.input) <= at + 1 or not {node.input[at], node.input[at + 1]} <= constants.keys():
        return None
    scale = _numbers(constants[node.input[at]])
    zero = onnx.numpy_helper.to_array(constants[node.input[at + 1]])
    if scale.size != 1 or zero.size != 1 or zero.dtype.kind not in "iu":
        return None
    return str(zero.dtype), float(scale[0]), int(zero.ravel()[0])


def _minus(name: str, zero: int) -> str:
    return f"({name} - {zero})" if zero > 0 else f"({name} + {-zero})" if zero else name


def _numbers(constant: onnx.TensorProto) -> NDArray[np.float64]:
    return np.asarray(onnx.numpy_helper.to_array(constant), np.float64).ravel()


def _normalized(
    name: str, means: NDArray[np.float64], node: onnx.NodeProto | None, constants: Mapping[str, onnx.TensorProto]
) -> ExpectedRange | None:
    """Where what a mean was subtracted from is divided by a constant, or multiplied: a normalization."""
    if node is None or node.op_type not in ("Div", "Mul") or len(node.input) != 2:
        return None
    if (constant := constants.get(node.input[1])) is None or not (factors := _numbers(constant)).all():
        return None
    deviations = factors if node.op_type == "Div" else 1 / factors
    size = max(len(means), len(deviations))
    if {len(means), len(deviations)} - {1, size}:
        return None
    spread = np.broadcast_to(means, size).tolist(), np.broadcast_to(deviations, size).tolist()
    return range_around(name, "a normalization (Sub, then " + node.op_type + ")", *spread)


def _constant_outputs(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    return {
        node.output[0]: attribute.t
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }


def _scaling(kind: str, value: float, name: str) -> tuple[str, ExpectedRange | None]:
    if kind == "Sub":
        return f"{value:g} is subtracted from {name} first", None
    scale = value if kind == "Mul" else 1 / value if value else 0.0
    what = f"{name} is multiplied by {factor_text(scale)}"
    return f"{what} first: expects {expected(scale)}", range_before(name, what, scale)
