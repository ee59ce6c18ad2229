"""Reads a file of either format for the checks."""

from __future__ import annotations

from pathlib import Path

from crossrt.analysis.findings.quantized_file import QuantizedFile
from crossrt.core.artifact import ModelFormat


def read_file(path: Path, form: ModelFormat) -> QuantizedFile:
    """Reads a file, quantized or not.

    Raises:
        CrossrtError: It is damaged.
    """
    if form == "onnx":
        from crossrt.analysis.findings.onnx_file import read_onnx_file

        return read_onnx_file(path)
    from crossrt.analysis.findings.tflite_file import read_tflite_file

    return read_tflite_file(path)
