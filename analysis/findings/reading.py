"""Reads a file of either format for the checks."""

from __future__ import annotations

from pathlib import Path

from crossrt.analysis.findings.quantized_file import QuantizedFile
from crossrt.core.artifact import ModelFormat
from crossrt.core.errors import ArtifactError, CrossrtError
from crossrt.exporters.errors import first_line


def read_file(path: Path, form: ModelFormat) -> QuantizedFile:
    """Reads a file, quantized or not.

    Raises:
        CrossrtError: It is damaged.
    """
    try:
        return _read(path, form)
    except (CrossrtError, MemoryError, OSError):
        raise
    except Exception as error:  # readers raise whatever an odd graph happens to hit
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise ArtifactError(f"{path.name} cannot be read, perhaps as it is damaged ({reason})") from error


def _read(path: Path, form: ModelFormat) -> QuantizedFile:
    if form == "onnx":
        from crossrt.analysis.findings.onnx_file import read_onnx_file

        return read_onnx_file(path)
    from crossrt.analysis.findings.tflite_file import read_tflite_file

    return read_tflite_file(path)
