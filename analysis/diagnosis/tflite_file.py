"""A TFLite file beside its float32 file, on the interpreter's own kernels.

XNNPACK, which runs the file otherwise, keeps what is between its operators to itself: activations are marked as
simulated. The logits are seen on the kernels that really run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import TYPES, Affine, dequantize, quantize
from crossrt.analysis.audit.tflite_file import corresponding, open_tflite, stored_in_tflite, unique_names
from crossrt.analysis.diagnosis.measure import Measure, Ratio
from crossrt.analysis.diagnosis.record import Diagnosis, Kernels
from crossrt.exporters.ort.calibrate import BATCH


def diagnose_tflite(path: Path, float_path: Path, digits: NDArray[np.float32]) -> Diagnosis:
    """Runs both files over the digits.

    Args:
        path: The quantized file.
        float_path: The float32 file.
        digits: float32 `(count, 28, 28, 1)`.
    """
    originals = unique_names(open_tflite(float_path))
    measures: dict[str, Measure] = {}
    ratio = Ratio()
    for number, (quantized, original, shipped) in enumerate(_runs(path, float_path, digits)):
        ratio.add(*(_logits(each).astype(np.float64) for each in (original, shipped)))
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
    return Diagnosis(tensors=tensors, samples=len(digits), shipped_logits_db=ratio.sqnr_db)


def _runs(
    path: Path, float_path: Path, digits: NDArray[np.float32]
) -> Iterator[tuple[Interpreter, Interpreter, Interpreter]]:
    """After each batch: both files without delegates, and the quantized one as it really runs."""
    for batch in np.array_split(digits, max(1, len(digits) // BATCH)):
        size = len(batch)
        found = open_tflite(path, size), open_tflite(float_path, size), open_tflite(path, size, is_shipped=True)
        for interpreter in found:
            detail = interpreter.get_input_details()[0]
            interpreter.set_tensor(detail["index"], _as_input(batch, detail["dtype"], detail["quantization"]))
            interpreter.invoke()
        yield found


def _as_input(batch: NDArray[np.float32], dtype: type[np.generic], scheme: tuple[float, int]) -> NDArray[np.generic]:
    name = np.dtype(dtype).name
    return batch if name == "float32" else quantize(batch, _affine(scheme), TYPES[name]).astype(dtype)


def _logits(interpreter: Interpreter) -> NDArray[np.float32]:
    detail = interpreter.get_output_details()[0]
    stored = interpreter.get_tensor(detail["index"])
    return stored if stored.dtype == np.float32 else dequantize(stored, _affine(detail["quantization"]))


def _affine(scheme: tuple[float, int]) -> Affine:
    return Affine(np.asarray(scheme[0], dtype=np.float32), np.asarray(scheme[1], dtype=np.int64))
