"""ONNX Runtime's quantizer: static with MinMax calibration (QDQ or QOperator), and dynamic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from exporters.artifact import Quantization
from exporters.errors import ExportError
from exporters.keras_model import INPUT_NAME

CALIBRATION_BATCH = 100

_TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
_FORMATS = {"qdq": QuantFormat.QDQ, "qoperator": QuantFormat.QOperator}


class _Digits(CalibrationDataReader):  # type: ignore[misc]  # the base class is untyped
    """Feeds calibration digits once; the quantizer wants a fresh reader for every call."""

    def __init__(self, digits: NDArray[np.float32]) -> None:
        batches = np.array_split(digits, max(1, len(digits) // CALIBRATION_BATCH))
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = iter([{INPUT_NAME: batch} for batch in batches])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


def quantize_onnx(float_model: Path, path: Path, how: Quantization, digits: NDArray[np.float32] | None) -> None:
    """Quantizes a float32 ONNX file; `digits` `(count, 28, 28, 1)` calibrate the static schemes.

    The quantizer leaves files beside its input, so `float_model` should lie in a scratch folder.

    Raises:
        ExportError: Pre-processing did not turn the dense layers into Gemm.
    """
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(float_model), str(prepared))
    _check_prepared(prepared)
    if how.scheme == "dynamic":
        quantize_dynamic(prepared, path, weight_type=_TYPES[how.weight_type])
    elif digits is not None and how.activation_type is not None:
        quantize_static(
            prepared,
            path,
            _Digits(digits),
            quant_format=_FORMATS[how.representation],
            per_channel=how.granularity == "per-channel",
            activation_type=_TYPES[how.activation_type],
            weight_type=_TYPES[how.weight_type],
            calibrate_method=CalibrationMethod.MinMax,
        )
    prepared.unlink()


def _check_prepared(path: Path) -> None:
    """Fails where the optimiser only logged that it gave up: an unfused MatMul and Add would stay in float."""
    nodes = onnx.load(path).graph.node
    products = {output for node in nodes if node.op_type == "MatMul" for output in node.output}
    unfused = [node.name for node in nodes if node.op_type == "Add" and products & set(node.input)]
    unfused += [node.name for node in nodes if node.op_type == "BatchNormalization"]
    if unfused:
        raise ExportError(f"pre-processing left {', '.join(unfused)} unfused: these layers cannot be quantized well")
