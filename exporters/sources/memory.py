"""Memory that the activations of a model file need, whatever its format."""

from __future__ import annotations

from pathlib import Path

from crossrt.core.artifact import ModelFormat
from crossrt.core.tensor import batching_of


def activation_bytes(path: Path, form: ModelFormat) -> int | None:
    """The bound of `activation_memory` for one sample, or None where it cannot be told.

    Raises:
        ModelError: The file is damaged.
    """
    if form in ("openvino-ir", "keras", "saved-model"):
        return None
    if form == "tflite":
        from crossrt.exporters.sources.tflite_file import read_tflite

        peak = read_tflite(path).peak
    else:
        from crossrt.exporters.sources.onnx_file import read_structure
        from crossrt.exporters.sources.onnx_memory import onnx_activation_peak
        from crossrt.exporters.sources.onnx_tensors import signature_of

        model = read_structure(path)
        peak = onnx_activation_peak(model, batching_of(signature_of(model).inputs))
    return None if peak is None else peak.size_bytes
