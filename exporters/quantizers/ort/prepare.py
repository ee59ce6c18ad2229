"""Folding what the quantizers cannot see through, once for all recipes of a model."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import onnx
import onnx.version_converter
from onnxruntime.quantization.shape_inference import quant_pre_process

from crossrt.exporters.errors import ExportError, NothingToQuantizeError, first_line
from crossrt.exporters.quantizers.ort.tensor_types import add_missing_types
from crossrt.exporters.sources.onnx_file import data_files, nodes_of, read_structure, total_bytes
from crossrt.exporters.sources.onnx_inspection import bad_weight
from crossrt.exporters.sources.onnx_weights import FLOATS, weight_bytes

MOST_BYTES = 2**31 - 2**20
OLDEST_OPSET = 13
"""The first in which DequantizeLinear takes a scale for each channel."""

OLDEST_IR = 7
_QUANTIZED_DOMAIN = "com.microsoft"


def working_copy(float_model: Path, folder: Path) -> Path:
    """A float model in one file; one with data files is copied into the folder as such.

    Raises:
        NothingToQuantizeError: It has no weights.
        ExportError: It is quantized already, larger than 2 GB, or holds NaN.
    """
    model = read_structure(float_model)
    check_float(model, float_model)
    if not weight_bytes(model).keys() & set(FLOATS):
        raise NothingToQuantizeError("the model has no weights: nothing in it can be quantized")
    files = data_files(float_model, model)
    size = total_bytes(float_model, files)
    if size > MOST_BYTES:
        raise ExportError(
            f"{float_model.name} has {size} bytes with its weights; ONNX Runtime's quantizers take models up to 2 GB"
        )
    if (name := bad_weight(model)) is not None:
        raise ExportError(
            f"the weights {name} of {float_model.name} hold NaN or infinity: no scale can be found for them"
        )
    if not files and not _needs_change(model):
        return float_model
    copy = folder / "float.onnx"
    onnx.save(_changed(onnx.load(float_model)), copy)
    return copy


def _needs_change(model: onnx.ModelProto) -> bool:
    return bool(_defaults(model)) or _opset(model) < OLDEST_OPSET


def _defaults(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs that are initializers, as old exporters write all weights: the quantizers take them for activations."""
    constants = {each.name for each in model.graph.initializer}
    return [each for each in model.graph.input if each.name in constants]


def _opset(model: onnx.ModelProto) -> int:
    return max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=OLDEST_OPSET)


def _changed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with weights that are no inputs, in an opset that has scales per channel."""
    for each in _defaults(model):
        model.graph.input.remove(each)
    model.ir_version = max(model.ir_version, OLDEST_IR)
    if _opset(model) >= OLDEST_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, OLDEST_OPSET)
    except Exception:  # the converter lacks some operators: recipes without scales per channel still work
        return model


def prepare(float_model: Path, path: Path) -> None:
    """Writes the model with batch normalization folded, dense layers as Gemm, and shapes inferred as far as possible.

    The quantizer leaves files beside its input, so both should lie in a scratch folder.

    Raises:
        ExportError: The model is quantized already, or ONNX Runtime cannot load it.
    """
    check_float(read_structure(float_model), float_model)
    attempts: tuple[dict[str, bool], ...] = (
        {},
        {"skip_symbolic_shape": True},  # it gives up on operators such as GlobalMaxPool, Loop and custom shapes
        {"skip_symbolic_shape": True, "skip_onnx_shape": True},
        {"skip_symbolic_shape": True, "skip_optimization": True},
    )
    source, target = float_model.resolve(), path.resolve()
    reasons = []
    for options in attempts:
        try:
            # symbolic inference that gives up leaves a file in the working directory
            with chdir(target.parent):
                quant_pre_process(str(source), str(target), **options)
        except Exception as error:  # shape inference raises whatever it happens to hit
            reasons.append(first_line(error))
        else:
            _flatten_biases(path)
            _name_nodes(path)
            add_missing_types(path)
            return
    raise ExportError(f"pre-processing for quantization failed: {reasons[-1]}")


def _flatten_biases(path: Path) -> None:
    """Makes `(1, n)` biases of Gemm `(n,)`, which is the same: the quantizer takes no other."""
    model = onnx.load(path)
    biases = {node.input[2] for node in model.graph.node if node.op_type == "Gemm" and len(node.input) > 2}
    others = {
        name
        for node in model.graph.node
        for place, name in enumerate(node.input)
        if not (node.op_type == "Gemm" and place == 2)
    }
    found = [
        each
        for each in model.graph.initializer
        if each.name in biases - others and len(each.dims) == 2 and each.dims[0] == 1
    ]
    if not found:
        return
    for each in found:
        del each.dims[0]
        for known in [value for value in model.graph.value_info if value.name == each.name]:
            model.graph.value_info.remove(known)
    onnx.save(model, path)


def _name_nodes(path: Path) -> None:
    """Names nodes that have no name: recipes speak of nodes by name."""
    model = onnx.load(path)
    if all(node.name for node in model.graph.node):
        return
    taken = {node.name for node in model.graph.node}
    for place, node in enumerate(model.graph.node):
        if not node.name:
            name = f"{node.op_type}_{place}"
            node.name = name if name not in taken else f"{name}_unnamed"
    onnx.save(model, path)


def check_float(model: onnx.ModelProto, path: Path) -> None:
    """Raises `ExportError` where a model is quantized already."""
    found = {node.op_type for node in nodes_of(model) if _is_quantized(node)}
    if found:
        raise ExportError(
            f"{path.name} is quantized already: it holds {', '.join(sorted(found))}; bring the float model that it was"
            " made from"
        )


def _is_quantized(node: onnx.NodeProto) -> bool:
    return node.op_type in (
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "QLinearConv",
        "QLinearMatMul",
        "ConvInteger",
        "MatMulInteger",
    ) or (node.domain == _QUANTIZED_DOMAIN and node.op_type.startswith(("QLinear", "MatMulNBits", "QGemm")))
