"""Quantizes an ONNX file in a process of its own: `python -m crossrt.exporters.quantize`, job on stdin, events out.

TensorFlow is not needed here, which halves the memory and lets it run beside the process that needs it.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from functools import cached_property
from pathlib import Path

from crossrt.core.artifact import Quantization
from crossrt.core.events import EventStream
from crossrt.exporters.calibration import Calibration, selection_of
from crossrt.exporters.errors import ExportError, UnfitRecipeError
from crossrt.exporters.jobs import BuildJob, build_all
from crossrt.exporters.plugins import quantize_with_plugin
from crossrt.exporters.quantizers.builder import FileBuilder, serve
from crossrt.exporters.quantizers.ort.check import check_quantized
from crossrt.exporters.quantizers.ort.known_issues import cost_issues, known_issues
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import (
    OnnxDynamic,
    OnnxFloat8,
    OnnxFloat16,
    OnnxPlugin,
    OnnxSameScales,
    OnnxStatic,
    OnnxWeightOnly,
)
from crossrt.exporters.training.qat.scales.calibrated import ANOTHER
from crossrt.exporters.variants import Variant


class OnnxBuilder(FileBuilder):
    """Builds the items of one job, sharing preparation and calibration."""

    def __init__(self, job: BuildJob, scratch: Path) -> None:
        super().__init__(job)
        self._quantizer = OnnxQuantizer(self._source, scratch)

    @cached_property
    def _calibration(self) -> Calibration:
        calibration = super()._calibration
        self._quantizer.calibrate_with(calibration)
        return calibration

    def _write(self, variant: Variant, path: Path) -> Quantization:
        recipe, quantizer = variant.recipe, self._quantizer
        if isinstance(recipe, OnnxPlugin):
            return self._write_with_plugin(variant, recipe, path)
        if isinstance(recipe, OnnxSameScales):
            raise UnfitRecipeError(f"{variant.item} {ANOTHER}")
        if not isinstance(recipe, OnnxStatic | OnnxDynamic | OnnxWeightOnly | OnnxFloat16 | OnnxFloat8):
            raise ExportError(f"{variant.item} is not made from an ONNX file: bring a Keras model or a SavedModel")
        calibration = None if selection_of(recipe) is None else self._calibration
        share = quantizer.quantize(recipe, path)
        record = variant.quantization_record(calibration)
        assert record is not None
        issues, costs = (each(recipe, quantizer.prepared, path) for each in (known_issues, cost_issues))
        return dataclasses.replace(record, known_issues=issues, cost_issues=costs, quantized_share=share)

    def _write_with_plugin(self, variant: Variant, recipe: OnnxPlugin, path: Path) -> Quantization:
        """What the plug-in says of its file, with the recipe and the samples that calibrated it."""
        calibration = None if selection_of(recipe) is None else self._calibration
        found = quantize_with_plugin(recipe, self._source, path, calibration)
        record = variant.quantization_record(calibration)
        assert record is not None
        return dataclasses.replace(
            found,
            recipe=record.recipe,
            calibration_samples=record.calibration_samples,
            calibration_sha256=record.calibration_sha256,
            quantized_share=check_quantized(path, found.scheme),
        )


def _build(job: BuildJob, events: EventStream) -> None:
    with tempfile.TemporaryDirectory(dir=job.folder, prefix=".scratch-") as scratch:
        build_all(job, OnnxBuilder(job, Path(scratch)).build, events)


def main() -> int:
    """Reads a job and builds it."""
    return serve(_build)


if __name__ == "__main__":
    sys.exit(main())
