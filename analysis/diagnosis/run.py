"""Diagnoses one file. Runs in a process of its own: `python -m crossrt.analysis.diagnosis.run`, job on stdin."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from crossrt.analysis.diagnosis.record import Diagnosis, DiagnosisJob
from crossrt.core.events import EventStream, read_job
from crossrt.exporters.calibration import Calibration, calibration_digits
from crossrt.exporters.errors import ExportError
from crossrt.exporters.ort.prepare import prepare
from crossrt.exporters.recipes.recipe import (
    OnnxDynamic,
    OnnxStatic,
    OnnxWeightOnly,
    Recipe,
    TfliteDynamic,
    TfliteStatic,
)


def diagnose(job: DiagnosisJob) -> Diagnosis:
    """Every quantized tensor of a file beside its float32 counterpart, over test digits.

    Raises:
        ExportError: The recipe stores no integers, or the files do not belong together.
    """
    recipe = msgspec.convert(job.recipe, Recipe)
    digits = calibration_digits(Calibration(job.samples, 0, "test"))
    if isinstance(recipe, OnnxStatic | OnnxDynamic):
        from crossrt.analysis.diagnosis.onnx_file import diagnose_onnx

        with tempfile.TemporaryDirectory() as folder:
            source, prepared = Path(folder) / "float.onnx", Path(folder) / "prepared.onnx"
            source.write_bytes(Path(job.float_path).read_bytes())
            prepare(source, prepared)
            return diagnose_onnx(Path(job.path), prepared, digits)
    if isinstance(recipe, OnnxWeightOnly):
        from crossrt.analysis.diagnosis.weight_only import diagnose_weight_only

        return diagnose_weight_only(Path(job.path), Path(job.float_path), digits)
    if isinstance(recipe, TfliteStatic | TfliteDynamic):
        from crossrt.analysis.diagnosis.tflite_file import diagnose_tflite

        return diagnose_tflite(Path(job.path), Path(job.float_path), digits)
    kind = recipe.__struct_config__.tag
    raise ExportError(
        f"a file of kind {kind} holds no integers: diagnose takes static, dynamic and weight-only recipes"
    )


def _run(job: DiagnosisJob, events: EventStream) -> None:
    with np.errstate(all="ignore"):
        events.send("diagnosed", diagnosis=msgspec.to_builtins(diagnose(job)))


def main() -> int:
    """Reads a job and diagnoses its file."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _run(read_job(sys.stdin, DiagnosisJob), events))


if __name__ == "__main__":
    sys.exit(main())
