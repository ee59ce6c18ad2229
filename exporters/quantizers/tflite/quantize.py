"""Quantizes a float TFLite file in a process of its own: `python -m crossrt.exporters.quantizers.tflite.quantize`.

The job comes on standard input, events go to standard output. TensorFlow is imported for static recipes alone.
"""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path

from crossrt.core.artifact import Quantization
from crossrt.core.events import EventStream, read_job
from crossrt.exporters.calibration import NEEDS_CALIBRATION, Calibration, selection_of
from crossrt.exporters.errors import ExportError, UnfitRecipeError
from crossrt.exporters.jobs import BuildJob, build_all, write_artifact
from crossrt.exporters.quantizers.tflite.check import as_found
from crossrt.exporters.quantizers.tflite.flatbuffer import FlatModel
from crossrt.exporters.quantizers.tflite.weights import to_dynamic, to_float16
from crossrt.exporters.recipes.library import TfliteLitert
from crossrt.exporters.recipes.recipe import TfliteDynamic, TfliteRecipe, TfliteSameScales, TfliteStatic
from crossrt.exporters.sources.detect import check_source
from crossrt.exporters.tensor_specs import Specs, tflite_specs
from crossrt.exporters.tf import environment as environment
from crossrt.exporters.training.qat.scales.calibrated import ANOTHER
from crossrt.exporters.variants import Variant


class TfliteBuilder:
    """Builds the items of one job, each from the file as it is."""

    def __init__(self, job: BuildJob) -> None:
        self._job, self._source = job, Path(job.source)
        if (kind := check_source(self._source)) != "tflite":
            raise ExportError(f"{job.source} is not a TFLite file: it is {kind}")

    @cached_property
    def _specs(self) -> Specs:
        return tflite_specs(self._source)

    @cached_property
    def _calibration(self) -> Calibration:
        if self._job.calibration is None:
            raise ExportError(NEEDS_CALIBRATION)
        return Calibration.open(self._job.calibration, self._specs[0], self._job.dimensions)

    def build(self, item: str, folder: Path) -> None:
        """Builds one item into its folder, manifest included."""
        variant = self._job.variant(item)
        write_artifact(self._job, variant, lambda path: self._write(variant, path), folder, self._specs)

    def _write(self, variant: Variant, path: Path) -> Quantization:
        recipe = variant.recipe
        if isinstance(recipe, TfliteSameScales):
            raise UnfitRecipeError(f"{variant.item} {ANOTHER}")
        if not isinstance(recipe, TfliteRecipe):
            raise ExportError(f"{variant.item} is not made from a TFLite file")
        calibration = None if selection_of(recipe) is None else self._calibration
        path.write_bytes(self._quantized(recipe, calibration))
        record = variant.quantization_record(calibration)
        assert record is not None
        return as_found(path, recipe, record)

    def _quantized(self, recipe: TfliteRecipe, calibration: Calibration | None) -> bytes:
        model = FlatModel(self._source)
        if isinstance(recipe, TfliteLitert):
            from crossrt.exporters.quantizers.tflite.litert import to_litert

            return to_litert(model.packed(), recipe, calibration)
        if isinstance(recipe, TfliteStatic):
            from crossrt.exporters.quantizers.tflite.static import to_static

            assert calibration is not None
            return to_static(model, recipe, calibration)
        if isinstance(recipe, TfliteDynamic):
            to_dynamic(model, recipe)
        else:
            to_float16(model)
        return model.packed()


def _build(job: BuildJob, events: EventStream) -> None:
    build_all(job, TfliteBuilder(job).build, events)


def main() -> int:
    """Reads a job and builds it."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _build(read_job(sys.stdin, BuildJob), events))


if __name__ == "__main__":
    sys.exit(main())
