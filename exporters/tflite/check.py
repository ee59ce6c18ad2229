"""Looking into a TFLite file that a quantizer wrote: converters return a model without anything for them as it was."""

from __future__ import annotations

from pathlib import Path

from crossrt.exporters.errors import ExportError
from crossrt.exporters.sources.tflite_file import read_tflite


def check_quantized(path: Path) -> None:
    """Refuses a file whose weights are all as they were.

    Raises:
        ExportError: It holds no quantized weights.
    """
    found = read_tflite(path)
    if found.quantization is None:
        path.unlink()
        held = ", ".join(f"{size} bytes of {name}" for name, size in found.weight_bytes.items()) or "no weights"
        raise ExportError(
            f"the file holds no quantized weights: it holds {held}; the converter leaves small weights and operators"
            " that it has no integer kernel for in float"
        )
