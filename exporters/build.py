"""Builds from Keras. Runs in a process of its own: `python -m crossrt.exporters.build`, job on stdin, events on stdout.

TensorFlow is imported here and nowhere near a measurement.
"""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossrt.core.artifact import Quantization, ReferenceLogits, sha256_of
from crossrt.core.events import EventStream, read_job
from crossrt.core.manifest import REFERENCE_MANIFEST, write_manifest
from crossrt.datasets.mnist import digits as mnist
from crossrt.exporters.cache import converter_versions
from crossrt.exporters.jobs import BuildJob, build_all, write_artifact
from crossrt.exporters.recipes.recipe import TfliteDynamic, TfliteFloat16, TfliteStatic
from crossrt.exporters.sources.keras_file import check_model_file, load_model
from crossrt.exporters.variants import Variant

if TYPE_CHECKING:
    import keras

REFERENCE = "reference"


class KerasBuilder:
    """Builds the items of one job, sharing the loaded model."""

    def __init__(self, job: BuildJob) -> None:
        self._job = job
        check_model_file(Path(job.source))

    @cached_property
    def _model(self) -> keras.Model:
        return load_model(Path(self._job.source))

    def build(self, item: str, folder: Path) -> None:
        """Builds one item into its folder, manifest included."""
        if item == REFERENCE:
            self._build_reference(folder)
        else:
            variant = self._job.variant(item)
            write_artifact(self._job, variant, lambda path: self._write(variant, path), folder)

    def _write(self, variant: Variant, path: Path) -> Quantization | None:
        recipe = variant.recipe
        if variant.format == "onnx":
            from crossrt.exporters.to_onnx import export_onnx

            export_onnx(self._model, path)
        else:
            from crossrt.exporters.to_tflite import export_tflite

            assert recipe is None or isinstance(recipe, TfliteDynamic | TfliteFloat16 | TfliteStatic)
            export_tflite(self._model, path, recipe)
        return variant.quantization_record()

    def _build_reference(self, folder: Path) -> None:
        path = folder / "reference.npy"
        logits = self._model.predict(mnist.shipped("test").as_input(), batch_size=500, verbose=0)
        np.save(path, logits.astype(np.float32, copy=False), allow_pickle=False)
        reference = ReferenceLogits(
            model=self._job.model,
            path=path,
            sha256=sha256_of(path),
            model_sha256=self._job.model_sha256,
            data_sha256=mnist.shipped_sha256("test"),
            producer=converter_versions(),
        )
        write_manifest(reference, folder / REFERENCE_MANIFEST)


def _build(job: BuildJob, events: EventStream) -> None:
    build_all(job, KerasBuilder(job).build, events)


def main() -> int:
    """Reads a job and builds it."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _build(read_job(sys.stdin, BuildJob), events))


if __name__ == "__main__":
    sys.exit(main())
