"""Audits one file in a process of its own: `python -m crossrt.analysis.audit.run`, job on stdin, events on stdout."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import onnx
from numpy.typing import NDArray

from crossrt.analysis.audit.judge import Judge, Scheme
from crossrt.analysis.audit.record import AuditedTensor, AuditJob
from crossrt.core.events import EventStream, read_job
from crossrt.exporters.calibration import Calibration, calibration_digits, calibration_of
from crossrt.exporters.errors import ExportError
from crossrt.exporters.ort.calibrate import SharedRanges
from crossrt.exporters.ort.prepare import prepare
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxStatic, Recipe, TfliteDynamic, TfliteStatic


def audit(job: AuditJob) -> Sequence[AuditedTensor]:
    """Every quantized tensor of a file.

    Raises:
        ExportError: The recipe stores no affine scales, or the files do not belong together.
    """
    recipe = msgspec.convert(job.recipe, Recipe)
    if isinstance(recipe, OnnxStatic | OnnxDynamic):
        return _audit_onnx(job, recipe)
    if isinstance(recipe, TfliteStatic | TfliteDynamic):
        return _audit_tflite(job, recipe)
    kind = recipe.__struct_config__.tag
    raise ExportError(f"a file of kind {kind} holds no affine scales: audit takes static and dynamic recipes")


def _audit_onnx(job: AuditJob, recipe: OnnxStatic | OnnxDynamic) -> Sequence[AuditedTensor]:
    from crossrt.analysis.audit.onnx_file import observe_onnx, stored_in_onnx

    with tempfile.TemporaryDirectory() as folder:
        source, prepared = Path(folder) / "float.onnx", Path(folder) / "prepared.onnx"
        source.write_bytes(Path(job.float_path).read_bytes())  # the quantizer leaves files beside its input
        prepare(source, prepared)
        observed = observe_onnx(prepared, _digits(recipe))
        if isinstance(recipe, OnnxStatic) and (recipe.calibrate_method != "minmax" or recipe.calibration_symmetric):
            observed = dataclasses.replace(observed, ranges=_ranges_of_method(recipe, prepared, Path(folder)))
        stored = stored_in_onnx(Path(job.path), onnx.load(prepared))
    scheme = Scheme(
        symmetric_activations=isinstance(recipe, OnnxStatic) and recipe.activation_symmetric,
        symmetric_weights=recipe.weight_symmetric,
        reduced_weights=recipe.reduce_range,
    )
    return list(Judge(stored, observed, scheme).run())


def _ranges_of_method(recipe: OnnxStatic, prepared: Path, folder: Path) -> Mapping[str, tuple[Any, Any]]:
    """Other methods than MinMax choose ranges inside the observed ones: theirs are taken as they are."""
    from onnxruntime.quantization.calibrate import load_tensors_data

    data = load_tensors_data(SharedRanges(prepared, folder).file_for(recipe))
    ranges = {name: each.range_value for name, each in data.items()}
    return {name: (low.reshape(-1)[0], high.reshape(-1)[0]) for name, (low, high) in ranges.items()}


def _audit_tflite(job: AuditJob, recipe: TfliteStatic | TfliteDynamic) -> Sequence[AuditedTensor]:
    from crossrt.analysis.audit.tflite_file import observe_tflite, open_tflite, stored_in_tflite

    float_path = Path(job.float_path)
    observed = observe_tflite(float_path, _digits(recipe))
    stored = stored_in_tflite(open_tflite(Path(job.path)), open_tflite(float_path))
    is_wide = isinstance(recipe, TfliteStatic) and recipe.activation_type == "int16"
    return list(Judge(stored, observed, Scheme(symmetric_activations=is_wide, symmetric_weights=True)).run())


def _digits(recipe: Recipe) -> NDArray[Any]:
    """The digits that calibrated it; a single one, for the shapes, where nothing was calibrated."""
    return calibration_digits(calibration_of(recipe) or Calibration(1, 0, "train"))


def _run(job: AuditJob, events: EventStream) -> None:
    events.send("audited", tensors=msgspec.to_builtins(audit(job)))


def main() -> int:
    """Reads a job and audits its file."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _run(read_job(sys.stdin, AuditJob), events))


if __name__ == "__main__":
    sys.exit(main())
