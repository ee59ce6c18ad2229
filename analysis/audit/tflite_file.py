"""Quantized tensors of a TFLite file, and the float file that they come from.

Both files come from one converter, so that their operators correspond one by one once those that only quantize and
dequantize are left out; tensors take their names from the float file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import Affine
from crossrt.analysis.audit.record import Layer, Observed, Role, Stored
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.errors import ExportError, NotAlikeError

_DEFAULT = "serving_default"
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "DELEGATE")
_OPEN: dict[str, Any] = {
    "experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "experimental_preserve_all_tensors": True,
}
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")

Operator = dict[str, Any]
Details = dict[str, Any]
Make = Callable[[Path], Any]


def plain_interpreter(path: Path) -> Interpreter:
    """LiteRT's interpreter without delegates, which keeps every tensor."""
    return Interpreter(model_path=str(path), num_threads=1, **_OPEN)


def shipped_interpreter(path: Path) -> Interpreter:
    """LiteRT's interpreter as a file really runs."""
    return Interpreter(model_path=str(path), num_threads=1)


def open_tflite(path: Path, feeds: Arrays | None = None, make: Make = plain_interpreter) -> Interpreter:
    """An interpreter that is ready to run.

    Args:
        path: The file.
        feeds: What it is fed with, by name: its inputs get these shapes.
        make: Makes it.

    Raises:
        ExportError: The file cannot be run.
    """
    try:
        interpreter = make(path)
        details = inputs_by_name(interpreter) if feeds else {}
        for name, detail in details.items():
            if feeds is not None and tuple(detail["shape"]) != feeds[name].shape:
                interpreter.resize_tensor_input(detail["index"], feeds[name].shape, strict=True)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ExportError(f"{path.name} cannot be run: {' '.join(str(error).split())}") from error
    return interpreter


def inputs_by_name(interpreter: Interpreter) -> dict[str, Details]:
    """Inputs under the names of the signature that crossrt uses, or of their tensors where the file has none."""
    runner = _runner(interpreter)
    if runner is None:
        return {str(each["name"]): each for each in interpreter.get_input_details()}
    return dict(runner.get_input_details())


def outputs_by_name(interpreter: Interpreter) -> dict[str, Details]:
    """The same for outputs."""
    runner = _runner(interpreter)
    if runner is None:
        return {str(each["name"]): each for each in interpreter.get_output_details()}
    return dict(runner.get_output_details())


def _runner(interpreter: Interpreter) -> Any:
    names = list(interpreter.get_signature_list())
    if not names:
        return None
    return interpreter.get_signature_runner(_DEFAULT if _DEFAULT in names else names[0])


def invoke(interpreter: Interpreter, feeds: Arrays, path: Path) -> None:
    """Runs one call.

    Raises:
        ExportError: The file cannot be run on these feeds.
    """
    try:
        for name, detail in inputs_by_name(interpreter).items():
            interpreter.set_tensor(detail["index"], feeds[name])
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        raise ExportError(f"{path.name} cannot be run: {' '.join(str(error).split())}") from error


def shapes_of(feeds: Arrays) -> dict[str, tuple[int, ...]]:
    """Shapes by name: an interpreter is planned for one set of them."""
    return {name: values.shape for name, values in feeds.items()}


def layers_of(interpreter: Interpreter) -> list[Operator]:
    """Its operators in order, without those that only convert."""
    return [each for each in interpreter._get_ops_details() if each["op_name"] not in _CONVERSIONS]


def stored_in_tflite(interpreter: Interpreter, float_model: Interpreter | None = None) -> list[Stored]:
    """The quantized tensors of a file under the names of the float file, or under their own without one.

    Raises:
        ExportError: The two files do not hold the same operators.
    """
    names = unique_names(interpreter)
    if float_model is not None:
        originals = unique_names(float_model)
        names = {index: originals[other] for index, other in corresponding(interpreter, float_model).items()}
    details = {each["index"]: each for each in interpreter.get_tensor_details()}
    constants = _constant_tensors(interpreter)
    found: dict[str, Stored] = {}
    for operator in layers_of(interpreter):
        roles = _roles(operator)
        for index, role in roles.items():
            scales = details[index]["quantization_parameters"]["scales"]
            if role is None or index not in names or names[index] in found:
                continue
            if scales.size and np.dtype(details[index]["dtype"]).kind in "iu":
                found[names[index]] = _stored(details[index], names, role, operator, interpreter, constants)
    order = {"activation": 0, "weight": 1, "bias": 2}
    return sorted(found.values(), key=lambda each: order[each.role])


def corresponding(interpreter: Interpreter, float_model: Interpreter) -> dict[int, int]:
    """The float tensor for each tensor of the quantized file, by index; by name where their operators differ.

    Raises:
        ExportError: The two files hold other operators, and no tensors of the same names.
    """
    sides = layers_of(interpreter), layers_of(float_model)
    kinds = [[each["op_name"] for each in side] for side in sides]
    if kinds[0] != kinds[1]:
        return _named_alike(interpreter, float_model, kinds)
    return {
        int(quantized): int(original)
        for operator, other in zip(*sides, strict=True)
        for part in ("inputs", "outputs")
        for quantized, original in zip(operator[part], other[part], strict=True)
        if quantized >= 0 <= original
    }


def _named_alike(interpreter: Interpreter, float_model: Interpreter, kinds: list[list[str]]) -> dict[int, int]:
    known = {str(each["name"]): each for each in float_model.get_tensor_details()}
    pairs = {
        int(each["index"]): int(known[each["name"]]["index"])
        for each in interpreter.get_tensor_details()
        if each["name"] in known and tuple(each["shape"]) == tuple(known[each["name"]]["shape"])
    }
    inner = {int(index) for operator in layers_of(interpreter) for index in operator["outputs"]}
    if not inner & pairs.keys():
        raise NotAlikeError(
            "the two TFLite files cannot be compared tensor by tensor: they have other operators"
            f" ({_shortly(kinds[0])}; {_shortly(kinds[1])}) and no inner tensors of the same names. Give the float file"
            " that was converted from the same model"
        )
    return pairs


def _shortly(kinds: list[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in Counter(kinds).most_common(4)) or "none"


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
        roles[inputs[1]] = "weight"
        if len(inputs) > 2 and inputs[2] >= 0:
            roles[inputs[2]] = "bias"
    roles |= dict.fromkeys((int(index) for index in operator["outputs"]), "activation")
    return {index: role for index, role in roles.items() if index >= 0}


def _stored(
    detail: Details,
    names: dict[int, str],
    role: Role,
    operator: Operator,
    interpreter: Interpreter,
    constants: frozenset[int],
) -> Stored:
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
        integers=interpreter.get_tensor(detail["index"]) if int(detail["index"]) in constants else None,
        source=names.get(int(operator["inputs"][0])) if role == "bias" else None,
        weight=names.get(int(operator["inputs"][1])) if role == "bias" else None,
    )


def observe_tflite(path: Path, calls: Iterable[Arrays], make: Make = plain_interpreter) -> Observed:
    """Runs the float file and reads every activation.

    Args:
        path: The float file.
        calls: Feeds of the calibration samples.
        make: Makes the interpreter.

    Raises:
        ExportError: The file cannot be run.
    """
    found: dict[str, tuple[np.float32, np.float32]] = {}
    interpreter, shapes = open_tflite(path, make=make), None
    for feeds in calls:
        if shapes != shapes_of(feeds):
            interpreter, shapes = open_tflite(path, feeds, make), shapes_of(feeds)
        invoke(interpreter, feeds, path)
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
            values = interpreter.get_tensor(index)
            if values.size:
                yield names[index], values


def _constant_tensors(interpreter: Interpreter) -> frozenset[int]:
    """Tensors that operators take and that neither an operator nor the user gives."""
    operators = interpreter._get_ops_details()
    taken = {int(index) for each in operators for index in each["inputs"] if index >= 0}
    made = {int(index) for each in operators for index in each["outputs"]}
    return frozenset(taken - made - {int(each["index"]) for each in interpreter.get_input_details()})


def _constants(interpreter: Interpreter) -> dict[str, NDArray[np.float32]]:
    names, kinds = (
        unique_names(interpreter),
        {each["index"]: each["dtype"] for each in interpreter.get_tensor_details()},
    )
    return {
        names[index]: interpreter.get_tensor(index)
        for index in _constant_tensors(interpreter)
        if np.dtype(kinds[index]) == np.float32
    }


def _layers(interpreter: Interpreter) -> Iterator[Layer]:
    names = unique_names(interpreter)
    for each in layers_of(interpreter):
        inputs, outputs = ([names[int(index)] for index in each[part] if index >= 0] for part in ("inputs", "outputs"))
        yield Layer(kind=str(each["op_name"]), inputs=tuple(inputs), outputs=tuple(outputs))
