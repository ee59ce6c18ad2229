"""A TFLite file beside its float file, on the interpreter's own kernels.

XNNPACK, which runs the file otherwise, keeps what is between its operators to itself: activations are marked as
simulated. The outputs are seen on the kernels that really run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import Affine, dequantize
from crossrt.analysis.audit.tflite_file import (
    corresponding,
    invoke,
    open_tflite,
    outputs_by_name,
    shapes_of,
    shipped_interpreter,
    stored_in_tflite,
    unique_names,
)
from crossrt.analysis.diagnosis.measure import Measure
from crossrt.analysis.diagnosis.outputs import OutputRatios
from crossrt.analysis.diagnosis.record import DiagnosedOutput, Diagnosis, Kernels
from crossrt.analysis.samples import native_feeds
from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.tensor_specs import tflite_specs


def diagnose_tflite(path: Path, float_path: Path, calls: Iterable[Arrays], samples: int) -> Diagnosis:
    """Runs both files over the samples.

    Args:
        path: The quantized file.
        float_path: The float file.
        calls: Feeds of the samples, as the float file takes them.
        samples: How many they are.

    Raises:
        CrossrtError: A file cannot be run, or the two do not belong together.
    """
    measures: dict[str, Measure] = {}
    ratios = OutputRatios(tflite_specs(float_path)[1], tflite_specs(path)[1])
    missing: dict[str, None] = {}
    for number, files in enumerate(_runs(path, float_path, calls)):
        ratios.add(_outputs(files.original), _outputs(files.shipped))
        for measure, exact, integers in _pairs(files, measures, missing, is_first=number == 0):
            if exact.shape == integers.shape:
                measure.add(exact, integers)
    tensors = [measure.result(place) for place, measure in enumerate(measures.values()) if measure.is_known]
    outputs = tuple(DiagnosedOutput(name=name, sqnr_db=ratios.sqnr_db(name)) for name in ratios.originals)
    return Diagnosis(tensors=tuple(tensors), samples=samples, outputs=outputs, missing=tuple(missing))


@dataclass(frozen=True, slots=True)
class _Run:
    """After a call: both files without delegates, and the quantized one as it really runs."""

    quantized: Interpreter
    original: Interpreter
    shipped: Interpreter


def _runs(path: Path, float_path: Path, calls: Iterable[Arrays]) -> Iterator[_Run]:
    inputs = tflite_specs(path)[0]
    files, shapes = None, None
    for feeds in calls:
        own = native_feeds(_same_inputs(feeds, inputs, path), inputs)
        if files is None or shapes != shapes_of(feeds):
            files = _Run(
                open_tflite(path, own), open_tflite(float_path, feeds), open_tflite(path, own, shipped_interpreter)
            )
            shapes = shapes_of(feeds)
        invoke(files.original, feeds, float_path)
        invoke(files.quantized, own, path)
        invoke(files.shipped, own, path)
        yield files


def _same_inputs(feeds: Arrays, inputs: Sequence[TensorSpec], path: Path) -> Arrays:
    """Feeds of the float file under the names of the quantized one.

    Raises:
        DataError: The quantized file has other inputs.
    """
    names = {spec.name for spec in inputs}
    if names == feeds.keys():
        return feeds
    if len(names) == len(feeds) == 1:
        return {inputs[0].name: next(iter(feeds.values()))}
    raise DataError(f"{path.name} has the inputs {', '.join(names)}; the float file has {', '.join(feeds)}")


def _pairs(
    files: _Run, measures: dict[str, Measure], missing: dict[str, None], *, is_first: bool
) -> Iterator[tuple[Measure, NDArray[np.float32], NDArray[np.generic]]]:
    """Each quantized tensor beside its counterpart; what lies in the file only once."""
    names = unique_names(files.original)
    pairs = {names[other]: (index, other) for index, other in corresponding(files.quantized, files.original).items()}
    for each in stored_in_tflite(files.quantized, files.original):
        is_activation = each.role == "activation"
        if each.name not in pairs:
            missing[each.name] = None
        elif is_activation or is_first:
            kernels: Kernels = "simulated" if is_activation else "stored"
            measure = measures.setdefault(
                each.name, Measure(each.name, each.role, each.dtype, each.affine, each.axis, kernels, channel_axis=-1)
            )
            index, other = pairs[each.name]
            yield measure, files.original.get_tensor(other), files.quantized.get_tensor(index)


def _outputs(interpreter: Interpreter) -> Arrays:
    """Outputs as real numbers, by name."""
    found: Arrays = {}
    for name, detail in outputs_by_name(interpreter).items():
        stored, (scale, zero_point) = interpreter.get_tensor(detail["index"]), detail["quantization"]
        affine = Affine(np.asarray(scale, dtype=np.float32), np.asarray(zero_point, dtype=np.int64))
        found[name] = dequantize(stored, affine) if scale and stored.dtype.kind in "iu" else stored
    return found
