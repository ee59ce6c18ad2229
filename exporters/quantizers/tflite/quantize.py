"""Quantizes a float TFLite file in a process of its own: `python -m crossrt.exporters.quantizers.tflite.quantize`.

The job comes on standard input, events go to standard output. TensorFlow is imported for static recipes alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from crossrt.core.artifact import Quantization
from crossrt.core.events import EventStream
from crossrt.exporters.calibration import Calibration, selection_of
from crossrt.exporters.errors import ExportError, UnfitRecipeError
from crossrt.exporters.jobs import BuildJob, build_all
from crossrt.exporters.quantizers.builder import FileBuilder, serve
from crossrt.exporters.quantizers.tflite.check import as_found
from crossrt.exporters.quantizers.tflite.flatbuffer import FlatModel
from crossrt.exporters.quantizers.tflite.weights import to_dynamic, to_float16
from crossrt.exporters.recipes.library import TfliteLitert
from crossrt.exporters.recipes.recipe import TfliteDynamic, TfliteRecipe, TfliteSameScales, TfliteStatic
from crossrt.exporters.tf import environment as environment
from crossrt.exporters.training.qat.scales.calibrated import ANOTHER
from crossrt.exporters.variants import Variant


class TfliteBuilder(FileBuilder):
    """Builds the items of one job, each from the file as it is."""

    kind = "tflite"

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
    return serve(_build)


if __name__ == "__main__":
    sys.exit(main())
