"""Reading a model file's own inputs and outputs, once, when its manifest is written."""

from __future__ import annotations

from pathlib import Path

from crossrt.core.artifact import Quantization
from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ExportError
from crossrt.exporters.sources.onnx_file import read_structure
from crossrt.exporters.sources.tflite_file import read_tflite

Specs = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]


def onnx_specs(path: Path) -> Specs:
    """Inputs and outputs of an ONNX file.

    Raises:
        ExportError: The file is damaged, or has an input that cannot be fed.
    """
    from crossrt.exporters.sources.onnx_tensors import signature_of

    found = signature_of(read_structure(path))
    if found.problem is not None:
        raise ExportError(f"{path.name}: {found.problem}")
    return found.inputs, found.outputs


def onnx_quantization(path: Path) -> Quantization | None:
    """How an ONNX file is quantized, as far as it tells."""
    from crossrt.exporters.sources.onnx_weights import quantization_of, weight_bytes

    model = read_structure(path)
    return quantization_of(model, weight_bytes(model))


def tflite_specs(path: Path) -> Specs:
    """Inputs and outputs of a TFLite file, in the names of its signature where it has one.

    Raises:
        ExportError: The file is damaged.
    """
    found = read_tflite(path)
    return found.inputs, found.outputs
