"""A TFLite file beside its float32 file, on the interpreter's own kernels.

XNNPACK, which runs the file otherwise, keeps what is between its operators to itself: activations are marked as
simulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from exporters.audit.affine import TYPES, Affine, quantize
from exporters.audit.tflite_file import corresponding, open_tflite, stored_in_tflite, unique_names
from exporters.diagnosis.measure import Measure
from exporters.diagnosis.record import Diagnosis, Kernels
from exporters.ort.calibrate import BATCH


def diagnose_tflite(path: Path, float_path: Path, digits: NDArray[np.float32]) -> Diagnosis:
    """Runs both files over the digits.

    Args:
        path: The quantized file.
        float_path: The float32 file.
        digits: float32 `(count, 28, 28, 1)`.
    """
    originals = unique_names(open_tflite(float_path))
    measures: dict[str, Measure] = {}
    for number, (quantized, original) in enumerate(_runs(path, float_path, digits)):
        pairs = {originals[other]: (index, other) for index, other in corresponding(quantized, original).items()}
        for each in stored_in_tflite(quantized, original):
            is_activation = each.role == "activation"
            if number > 0 and not is_activation:
                continue  # what lies in the file is the same in every batch
            kernels: Kernels = "simulated" if is_activation else "stored"
            measure = measures.setdefault(
                each.name, Measure(each.name, each.role, each.dtype, each.affine, each.axis, kernels)
            )
            index, other = pairs[each.name]
            measure.add(original.get_tensor(other), quantized.get_tensor(index))
    tensors = tuple(measure.result(place) for place, measure in enumerate(measures.values()))
    return Diagnosis(tensors=tensors, samples=len(digits))


def _runs(path: Path, float_path: Path, digits: NDArray[np.float32]) -> Iterator[tuple[Interpreter, Interpreter]]:
    """Both interpreters after each batch."""
    for batch in np.array_split(digits, max(1, len(digits) // BATCH)):
        found = []
        for each in (path, float_path):
            interpreter = open_tflite(each, len(batch))
            detail = interpreter.get_input_details()[0]
            interpreter.set_tensor(detail["index"], _as_input(batch, detail["dtype"], detail["quantization"]))
            interpreter.invoke()
            found.append(interpreter)
        yield found[0], found[1]


def _as_input(batch: NDArray[np.float32], dtype: type[np.generic], scheme: tuple[float, int]) -> NDArray[np.generic]:
    name = np.dtype(dtype).name
    if name == "float32":
        return batch
    affine = Affine(np.asarray(scheme[0], dtype=np.float32), np.asarray(scheme[1], dtype=np.int64))
    return quantize(batch, affine, TYPES[name]).astype(dtype)
