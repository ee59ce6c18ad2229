"""Quantized tensors of a TFLite file, and the float32 file that they come from.

Both files come from one converter, so that their operators correspond one by one once those that only quantize and
dequantize are left out; tensors take their names from the float32 file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import Affine
from crossrt.analysis.audit.record import Layer, Observed, Role, Stored
from crossrt.exporters.errors import ExportError
from crossrt.exporters.ort.calibrate import BATCH

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "DELEGATE")
_OPEN: dict[str, Any] = {
    "experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "experimental_preserve_all_tensors": True,
}
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")

Operator = dict[str, Any]
Details = dict[str, Any]


def open_tflite(path: Path, batch_size: int | None = None, *, is_shipped: bool = False) -> Interpreter:
    """An interpreter without delegates, which keeps every tensor; or one as it really runs, if `is_shipped`.

    Raises:
        ExportError: The file cannot be run.
    """
    try:
        options = {} if is_shipped else _OPEN
        interpreter = Interpreter(model_path=str(path), num_threads=1, **options)
        if batch_size is not None:
            shape = interpreter.get_input_details()[0]["shape"]
            interpreter.resize_tensor_input(0, [batch_size, *shape[1:]])
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ExportError(f"{path.name} cannot be run: {error}") from error
    return interpreter


def layers_of(interpreter: Interpreter) -> list[Operator]:
    """Its operators in order, without those that only convert."""
    return [each for each in interpreter._get_ops_details() if each["op_name"] not in _CONVERSIONS]


def stored_in_tflite(interpreter: Interpreter, float_model: Interpreter) -> list[Stored]:
    """The quantized tensors of a file under the names of the float32 file.

    Raises:
        ExportError: The two files do not hold the same operators.
    """
    originals = unique_names(float_model)
    names = {index: originals[other] for index, other in corresponding(interpreter, float_model).items()}
    details = {each["index"]: each for each in interpreter.get_tensor_details()}
    found: dict[str, Stored] = {}
    for operator in layers_of(interpreter):
        roles = _roles(operator)
        for index, role in roles.items():
            scales = details[index]["quantization_parameters"]["scales"]
            if role is not None and scales.size and names[index] not in found:
                found[names[index]] = _stored(details[index], names, role, operator, interpreter)
    order = {"activation": 0, "weight": 1, "bias": 2}
    return sorted(found.values(), key=lambda each: order[each.role])


def corresponding(interpreter: Interpreter, float_model: Interpreter) -> dict[int, int]:
    """The float32 tensor for each tensor of the quantized file, by index.

    Raises:
        ExportError: The two files do not hold the same operators.
    """
    sides = layers_of(interpreter), layers_of(float_model)
    kinds = [[each["op_name"] for each in side] for side in sides]
    if kinds[0] != kinds[1]:
        raise ExportError(f"the quantized file has the operators {kinds[0]}, the float32 file {kinds[1]}")
    return {
        int(quantized): int(original)
        for operator, other in zip(*sides, strict=True)
        for part in ("inputs", "outputs")
        for quantized, original in zip(operator[part], other[part], strict=True)
        if quantized >= 0 <= original
    }


def unique_names(interpreter: Interpreter) -> dict[int, str]:
    """Names by index; TFLite may use one for an activation and for a bias."""
    found: dict[int, str] = {}
    for each in interpreter.get_tensor_details():
        name = str(each["name"])
        found[int(each["index"])] = name if name not in found.values() else f"{name} ({each['index']})"
    return found


def _roles(operator: Operator) -> dict[int, Role | None]:
    inputs = [int(index) for index in operator["inputs"]]
    roles: dict[int, Role | None] = dict.fromkeys(inputs, "activation")
    if operator["op_name"] in _WITH_WEIGHTS:
        place = 1
        roles[inputs[place]] = "weight"
        if len(inputs) > 2 and inputs[2] >= 0:
            roles[inputs[2]] = "bias"
    roles |= dict.fromkeys((int(index) for index in operator["outputs"]), "activation")
    return {index: role for index, role in roles.items() if index >= 0}


def _stored(detail: Details, names: dict[int, str], role: Role, operator: Operator, interpreter: Interpreter) -> Stored:
    parameters = detail["quantization_parameters"]
    is_channelled = parameters["scales"].size > 1
    scale = parameters["scales"] if is_channelled else parameters["scales"][0]
    zero_point = parameters["zero_points"] if is_channelled else parameters["zero_points"][0]
    return Stored(
        name=names[int(detail["index"])],
        role=role,
        dtype=np.dtype(detail["dtype"]).name,
        affine=Affine(np.asarray(scale, dtype=np.float32), np.asarray(zero_point, dtype=np.int64)),
        axis=int(parameters["quantized_dimension"]) if is_channelled else None,
        integers=interpreter.get_tensor(detail["index"]) if role != "activation" else None,
        source=names[int(operator["inputs"][0])] if role == "bias" else None,
        weight=names[int(operator["inputs"][1])] if role == "bias" else None,
    )


def observe_tflite(path: Path, digits: NDArray[np.float32]) -> Observed:
    """Runs the float32 file and reads every activation.

    Args:
        path: The float32 file.
        digits: Calibration digits, float32 `(count, 28, 28, 1)`.
    """
    found: dict[str, tuple[np.float32, np.float32]] = {}
    interpreter = open_tflite(path)
    for batch in np.array_split(digits, max(1, len(digits) // BATCH)):
        if tuple(interpreter.get_input_details()[0]["shape"]) != batch.shape:
            interpreter = open_tflite(path, len(batch))
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
        interpreter.invoke()
        for name, values in _activations(interpreter):
            low, high = found.get(name, (values.min(), values.max()))
            found[name] = (min(low, values.min()), max(high, values.max()))
    return Observed(ranges=found, constants=_constants(interpreter), layers=tuple(_layers(interpreter)))


def _activations(interpreter: Interpreter) -> Iterator[tuple[str, NDArray[np.float32]]]:
    names = unique_names(interpreter)
    roles = {index: role for each in layers_of(interpreter) for index, role in _roles(each).items()}
    for detail in interpreter.get_tensor_details():
        index = int(detail["index"])
        if roles.get(index) == "activation" and np.dtype(detail["dtype"]) == np.float32:
            yield names[index], interpreter.get_tensor(index)


def _constants(interpreter: Interpreter) -> dict[str, NDArray[np.float32]]:
    names = unique_names(interpreter)
    roles = {index: role for each in layers_of(interpreter) for index, role in _roles(each).items()}
    return {names[index]: interpreter.get_tensor(index) for index, role in roles.items() if role in ("weight", "bias")}


def _layers(interpreter: Interpreter) -> Iterator[Layer]:
    names = unique_names(interpreter)
    for each in layers_of(interpreter):
        inputs, outputs = ([names[int(index)] for index in each[part] if index >= 0] for part in ("inputs", "outputs"))
        yield Layer(kind=str(each["op_name"]), inputs=tuple(inputs), outputs=tuple(outputs))
