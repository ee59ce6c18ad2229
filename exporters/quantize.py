"""Quantizes an ONNX file in a process of its own: `python -m crossrt.exporters.quantize`, job on stdin, events out.

TensorFlow is not needed here, which halves the memory and lets it run beside the process that needs it.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

from crossrt.core.artifact import Quantization
from crossrt.core.events import EventStream, read_job
from crossrt.exporters.jobs import BuildJob, build_all, write_artifact
from crossrt.exporters.ort.hazards import hazards
from crossrt.exporters.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxFloat16, OnnxStatic, OnnxWeightOnly
from crossrt.exporters.variants import Variant


class OnnxBuilder:
    """Builds the items of one job, sharing preparation and calibration."""

    def __init__(self, job: BuildJob, scratch: Path) -> None:
        self._job = job
        self._quantizer = OnnxQuantizer(Path(job.source), scratch)

    def build(self, item: str, folder: Path) -> None:
        """Builds one item into its folder, manifest included."""
        variant = self._job.variant(item)
        write_artifact(self._job, variant, lambda path: self._write(variant, path), folder)

    def _write(self, variant: Variant, path: Path) -> Quantization | None:
        recipe, record = variant.recipe, variant.quantization_record()
        assert record is not None
        assert isinstance(recipe, OnnxStatic | OnnxDynamic | OnnxWeightOnly | OnnxFloat16)
        self._quantizer.quantize(recipe, path)
        return dataclasses.replace(record, hazards=hazards(recipe, self._quantizer.prepared))


def _build(job: BuildJob, events: EventStream) -> None:
    with tempfile.TemporaryDirectory(dir=job.folder, prefix=".scratch-") as scratch:
        build_all(job, OnnxBuilder(job, Path(scratch)).build, events)


def main() -> int:
    """Reads a job and builds it."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _build(read_job(sys.stdin, BuildJob), events))


if __name__ == "__main__":
    sys.exit(main())
