"""Builds from Keras and SavedModel, in a process of its own: `python -m crossrt.exporters.build`.

The job comes on standard input, events go to standard output. TensorFlow is imported here, nowhere near a measurement.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from crossrt.core.artifact import Quantization, ReferenceAnswers, sha256_of
from crossrt.core.events import EventStream, read_job
from crossrt.core.manifest import REFERENCE_MANIFEST, write_manifest
from crossrt.datasets.fitting import fit
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.exporters.cache import converter_versions
from crossrt.exporters.calibration import NEEDS_CALIBRATION, Calibration, selection_of
from crossrt.exporters.errors import ExportError
from crossrt.exporters.jobs import REFERENCE, BuildJob, build_all, write_artifact
from crossrt.exporters.quantizers.tflite.check import as_found
from crossrt.exporters.recipes.library import TfliteLitert
from crossrt.exporters.recipes.recipe import ConverterRecipe, SameScales
from crossrt.exporters.reference import write_answers
from crossrt.exporters.sources import saved_model
from crossrt.exporters.sources.detect import check_source
from crossrt.exporters.tensor_specs import onnx_quantization
from crossrt.exporters.tf import environment as environment
from crossrt.exporters.variants import Variant

if TYPE_CHECKING:
    from crossrt.exporters.tf.serving import Serving
    from crossrt.exporters.training.qat.frozen import Frozen


class TensorFlowBuilder:
    """Builds the items of one job, sharing the loaded model and the data sets."""

    def __init__(self, job: BuildJob) -> None:
        self._job = job
        kind = check_source(Path(job.source), allow_h5=job.allow_h5)
        if kind not in ("keras", "keras-h5", "saved-model"):
            raise ExportError(f"{job.source} is not a Keras model or a SavedModel: it is {kind}")
        self._kind = kind
        self._frozen: dict[tuple[int, ...], Frozen] = {}

    @cached_property
    def _serving(self) -> Serving:
        from crossrt.exporters.tf.serving import load_serving

        return load_serving(Path(self._job.source), self._kind)

    @cached_property
    def _calibration(self) -> Calibration | None:
        fields = self._job.calibration
        return None if fields is None else Calibration.open(fields, self._serving.inputs, self._job.dimensions)

    def build(self, item: str, folder: Path) -> None:
        """Builds one item into its folder, manifest included."""
        if item == REFERENCE:
            self._build_reference(folder)
            return
        variant = self._job.variant(item)
        if selection_of(variant.recipe) is not None and self._job.calibration is None:
            raise ExportError(NEEDS_CALIBRATION)
        specs = self._serving.inputs, self._serving.outputs
        write_artifact(self._job, variant, lambda path: self._write(variant, path), folder, specs)

    def _write(self, variant: Variant, path: Path) -> Quantization | None:
        recipe = variant.recipe
        if variant.format == "keras":
            self._write_keras(path)
            return None
        if variant.format == "saved-model":
            saved_model.copy(Path(self._job.source), path.parent)
            return None
        calibration = None if selection_of(recipe) is None else self._calibration
        if isinstance(recipe, SameScales):
            return self._write_same_scales(variant, recipe, path)
        if variant.format == "onnx":
            from crossrt.exporters.tf.to_onnx import export_onnx

            export_onnx(self._serving, path)
            if self._serving.integer_weight() is not None:  # Keras quantized it, and the file says how
                return onnx_quantization(path)
        else:
            from crossrt.exporters.tf.to_tflite import export_tflite

            if isinstance(recipe, TfliteLitert):
                from crossrt.exporters.quantizers.tflite.litert import to_litert

                export_tflite(self._serving, path, None)
                path.write_bytes(to_litert(path.read_bytes(), recipe, calibration))
            else:
                assert recipe is None or isinstance(recipe, ConverterRecipe)
                export_tflite(self._serving, path, recipe, calibration)
            record = variant.quantization_record(calibration)
            if recipe is not None and record is not None:
                return as_found(path, recipe, record)
        return None

    def _write_keras(self, path: Path) -> None:
        """The user's own file; or the reference model, where that is a legacy file or not float32."""
        if self._kind == "keras" and not self._serving.notes:
            shutil.copyfile(self._job.source, path)
        else:
            self._serving.keras_model.save(path)

    def _write_same_scales(self, variant: Variant, recipe: SameScales, path: Path) -> Quantization:
        """Both formats are written from one calibrated network."""
        from crossrt.exporters.training.qat.scales.calibrated import calibrated, write_calibrated

        assert self._calibration is not None
        key = (recipe.weight_bits, recipe.calibration_samples, recipe.calibration_seed)
        if key not in self._frozen:
            self._frozen[key] = calibrated(self._serving, Path(self._job.source), recipe, self._calibration)
        share = write_calibrated(self._frozen[key], self._serving, recipe, path)
        record = variant.quantization_record(self._calibration)
        assert record is not None
        return dataclasses.replace(record, quantized_share=share)

    def _build_reference(self, folder: Path) -> None:
        job, serving = self._job, self._serving
        if job.data is None:
            raise ExportError("the reference needs data to answer: none were named")
        request = DataRequest(**job.data)
        dataset, batching = open_dataset(request, serving.inputs), serving.batching
        found = fit(dataset, serving.inputs, batching, {**request.dimensions, **job.dimensions})
        samples = len(dataset) if job.samples is None else min(job.samples, len(dataset))
        if samples < 1:
            raise ExportError(f"the data {dataset.name} hold no samples: at least 1 is needed")
        path = folder / "reference.npz"
        specs = serving.inputs, serving.outputs
        write_answers(serving.predict, dataset, found, specs, batching, samples, path)
        reference = ReferenceAnswers(
            model=job.model,
            path=path,
            sha256=sha256_of(path),
            source_sha256=job.source_sha256,
            data_fingerprint=dataset.fingerprint,
            samples=samples,
            producer=converter_versions(),
        )
        write_manifest(reference, folder / REFERENCE_MANIFEST)


def _build(job: BuildJob, events: EventStream) -> None:
    build_all(job, TensorFlowBuilder(job).build, events)


def main() -> int:
    """Reads a job and builds it."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _build(read_job(sys.stdin, BuildJob), events))


if __name__ == "__main__":
    sys.exit(main())
