"""Where two files with the same scales compute other integers: layer by layer, in quantization steps (LSB).

Both files are run with the result of every layer as a further output, on the kernels that really run: ONNX Runtime
still fuses the operators around it, and XNNPACK gives it out. What the fake-quantized model computes is compared, too,
where it is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.audit.tflite_file import inputs_by_name, invoke, open_tflite, shipped_interpreter
from crossrt.analysis.onnx_sessions import run, session_with
from crossrt.analysis.same_scales import LayerSteps, Spread
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.training.qat.trained import TrainedTensor, step_number

Integers = NDArray[np.int16]
FAKE: Final = "fake quantization"
_UINT8: Final = 128
_REASONS: Final[Mapping[str, str]] = {
    "Input": "ONNX Runtime divides by the scale, XNNPACK multiplies by its reciprocal",
    "Scaling": "ONNX Runtime divides by the scale, XNNPACK multiplies by its reciprocal",
    "Pool": "means in the middle between two integers: ONNX Runtime rounds to even, TFLite away from zero",
    "Sum": "sums near the middle between two integers: TFLite adds in fixed point; these scales could not be settled",
    "Leaky": "TFLite multiplies by a slope in fixed point",
    "Final": "TFLite and ONNX Runtime approximate the function in different ways",
    "GlobalPool": "means near the middle between two integers: multipliers differ in the last bit",
    "Island": "a function in float32 in ONNX Runtime, and in integers in TFLite where that has a kernel for it",
    "Concatenation": "inherited from what is concatenated",
}
_OTHERWISE: Final = "sums near the middle between two integers"


def layer_steps(
    trained: Sequence[TrainedTensor], onnx: Path, tflite: Path, feeds: Arrays, fake: Arrays | None, folder: Path
) -> Iterator[LayerSteps]:
    """Compares every layer that both files hold, in order.

    Args:
        trained: The tensors of the network.
        onnx: The ONNX file.
        tflite: The TFLite file.
        feeds: Samples, by the names of the inputs.
        fake: The integers of the fake-quantized model as int8, by step, or None.
        folder: A scratch folder.

    Raises:
        CrossrtError: A file cannot be run.
    """
    steps = [each for each in trained if each.role == "activation"]
    found: dict[str, Mapping[str, Integers]] = {} if fake is None else {FAKE: dict(fake)}
    found["onnx"] = _in_onnx(steps, onnx, feeds, folder)
    found["tflite"] = _in_tflite(steps, tflite, feeds, folder)
    for each in steps:
        there = {who: values for who, values in found.items() if each.step in values}
        if len(there) > 1:
            yield _compared(each, there)


def _compared(step: TrainedTensor, found: Mapping[str, Mapping[str, Integers]]) -> LayerSteps:
    spreads = tuple(_spread(step, one, found[one], other, found[other]) for one, other in combinations(found, 2))
    arises = any(each.arising for each in spreads)
    reason = _REASONS.get(step.kind, _OTHERWISE) if arises else None
    values = int(next(iter(found.values()))[step.step].size)
    return LayerSteps(step=step.step, values=values, spreads=spreads, reason=reason)


def _spread(
    step: TrainedTensor, one: str, first: Mapping[str, Integers], other: str, second: Mapping[str, Integers]
) -> Spread:
    steps = np.abs(first[step.step].astype(np.int32) - second[step.step].astype(np.int32))
    samples = np.arange(len(steps))
    are_alike = np.ones(len(steps), bool)
    for name in step.inputs:
        if name in first and name in second:
            are_alike &= (first[name] == second[name]).reshape(len(samples), -1).all(axis=1)
    return Spread(
        one=one,
        other=other,
        off_by_one=float((steps == 1).mean()),
        off_by_more=float((steps > 1).mean()),
        most=int(steps.max()),
        arising=int(np.count_nonzero(steps[are_alike])),
    )


def _in_onnx(steps: Sequence[TrainedTensor], path: Path, feeds: Arrays, folder: Path) -> dict[str, Integers]:
    names = {f"{each.step}/output_quantized": each.step for each in steps}
    session = session_with(path, names, folder)
    found = run(session, list(names), feeds)
    return {step: _channels_last(found[name]).astype(np.int16) - _UINT8 for name, step in names.items()}


def _channels_last(values: NDArray[Any]) -> NDArray[Any]:
    return values.transpose(0, 2, 3, 1) if values.ndim == 4 else values


def _in_tflite(steps: Sequence[TrainedTensor], path: Path, feeds: Arrays, folder: Path) -> dict[str, Integers]:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(path.read_bytes()), 0))
    graph = model.subgraphs[0]
    places = _tflite_places(steps, graph, schema.TensorType.INT8)
    shown_too = [each for each in places.values() if each not in graph.outputs]
    graph.outputs = np.array([*graph.outputs, *shown_too], np.int32)
    inputs = {name: int(detail["index"]) for name, detail in inputs_by_name(open_tflite(path)).items()}
    model.signatureDefs = None  # it names the outputs that there were
    builder = flatbuffers.Builder(path.stat().st_size)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    shown = folder / f"{path.stem}-shown.tflite"
    shown.write_bytes(builder.Output())
    by_tensor = {str(graph.tensors[index].name.decode()): feeds[name] for name, index in inputs.items()}
    interpreter = open_tflite(shown, by_tensor, shipped_interpreter)
    invoke(interpreter, by_tensor, shown)
    return {step: interpreter.get_tensor(place).astype(np.int16) for step, place in places.items()}


def _tflite_places(steps: Sequence[TrainedTensor], graph: Any, kind: int) -> dict[str, int]:
    """The tensor of each step: the last that an operator of it makes with the step's own scale and zero point."""
    numbers = {each.number: each for each in steps}
    found: dict[str, int] = {}
    for operator in graph.operators:
        for place in operator.outputs:
            tensor = graph.tensors[place]
            step = numbers.get(-1 if (number := step_number(tensor.name.decode())) is None else number)
            if step is None or tensor.type != kind:
                continue
            scale, zero_point = tensor.quantization.scale, tensor.quantization.zeroPoint
            if np.float32(scale[0]) == np.float32(step.scales[0]) and int(zero_point[0]) == step.zero_point:
                found[step.step] = int(place)
    return found
