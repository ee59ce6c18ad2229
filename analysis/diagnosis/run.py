"""Diagnoses one file. Runs in a process of its own: `python -m crossrt.analysis.diagnosis.run`, job on stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from crossrt.analysis.diagnosis.record import Diagnosis, DiagnosisJob
from crossrt.analysis.samples import Samples
from crossrt.core.events import EventStream, read_job
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxFloat16, OnnxWeightOnly, Recipe, TfliteFloat16
from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs


def diagnose(job: DiagnosisJob) -> Diagnosis:
    """Every quantized tensor of a file beside its float counterpart, over the samples of a data set.

    Raises:
        CrossrtError: The recipe stores no integers, or files or data do not belong together.
    """
    recipe = msgspec.convert(job.recipe, Recipe) if job.recipe is not None else None
    if isinstance(recipe, OnnxFloat16 | TfliteFloat16):
        kind = recipe.__struct_config__.tag
        raise ExportError(
            f"a file of kind {kind} holds no integers: diagnose takes static, dynamic and weight-only recipes"
        )
    found, available = _diagnose_onnx(job, recipe) if job.format == "onnx" else _diagnose_tflite(job)
    return msgspec.structs.replace(found, available=available)


def _diagnose_onnx(job: DiagnosisJob, recipe: Recipe | None) -> tuple[Diagnosis, int]:
    """What was found, and how many samples there are."""
    from crossrt.analysis.diagnosis.onnx_file import diagnose_onnx
    from crossrt.analysis.diagnosis.weight_only import diagnose_weight_only
    from crossrt.analysis.onnx_graph import Graph
    from crossrt.analysis.onnx_sessions import prepared_copy

    path, float_path, folder = Path(job.path), Path(job.float_path), Path(job.folder)
    samples = Samples.open(job.data, onnx_specs(float_path)[0], job.dimensions)
    calls, count = _calls(job, samples)
    is_blocked = any(node.op_type == "MatMulNBits" for node in Graph.load(path).nodes)
    if isinstance(recipe, OnnxWeightOnly) or (recipe is None and is_blocked):
        return diagnose_weight_only(path, float_path, calls, count, folder), len(samples)
    try:
        prepared = prepared_copy(float_path, folder)
    except ExportError:
        if recipe is not None:
            raise
        prepared = float_path  # another quantizer may have taken it as it is
    return diagnose_onnx(path, prepared, calls, count, folder), len(samples)


def _diagnose_tflite(job: DiagnosisJob) -> tuple[Diagnosis, int]:
    from crossrt.analysis.diagnosis.tflite_file import diagnose_tflite

    path, float_path = Path(job.path), Path(job.float_path)
    samples = Samples.open(job.data, tflite_specs(float_path)[0], job.dimensions)
    calls, count = _calls(job, samples)
    return diagnose_tflite(path, float_path, calls, count), len(samples)


def _calls(job: DiagnosisJob, samples: Samples) -> tuple[Iterable[Arrays], int]:
    """Feeds of the first samples, and how many they are."""
    count = min(job.samples, len(samples))
    return samples.calls(range(count)), count


def _run(job: DiagnosisJob, events: EventStream) -> None:
    with np.errstate(all="ignore"):
        events.send("diagnosed", diagnosis=msgspec.to_builtins(diagnose(job)))


def main() -> int:
    """Reads a job and diagnoses its file."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _run(read_job(sys.stdin, DiagnosisJob), events))


if __name__ == "__main__":
    sys.exit(main())
