"""Builds artifacts. Runs in a process of its own: `python -m exporters.build`, job on stdin, events on stdout.

TensorFlow is imported here and nowhere near a measurement. One artifact that fails does not stop the others.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exporters import mnist
from exporters.artifact import ModelArtifact, ReferenceLogits, sha256_of
from exporters.cache import converter_versions
from exporters.errors import ExportError
from exporters.events import EventStream, read_job, reason_of
from exporters.keras_model import check_model_file, load_model
from exporters.manifest import ARTIFACT_MANIFEST, REFERENCE_MANIFEST, write_manifest
from exporters.variants import VARIANTS, Variant, calibration_digits

if TYPE_CHECKING:
    import keras

REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """What to build from which Keras file.

    Attributes:
        model: Name of the model.
        model_path: The `.keras` file.
        folder: An empty folder; each item gets a folder of its own name in it.
        items: `reference`, or `<variant>.<format>`.
    """

    model: str
    model_path: str
    folder: str
    items: Sequence[str]


def item_name(variant: Variant) -> str:
    """How a job names a variant."""
    return f"{variant.name}.{variant.format}"


def named_variant(item: str) -> Variant:
    """The variant that a job's item names.

    Raises:
        ExportError: There is none.
    """
    for variant in VARIANTS:
        if item_name(variant) == item:
            return variant
    raise ExportError(f"there is no variant {item!r}: the known ones are {', '.join(map(item_name, VARIANTS))}")


class Builder:
    """Builds the items of one job, sharing the loaded model and the float32 ONNX file."""

    def __init__(self, job: BuildJob) -> None:
        self._job = job
        self._folder = Path(job.folder)
        check_model_file(Path(job.model_path))
        self._model_sha256 = sha256_of(Path(job.model_path))

    @cached_property
    def _keras_model(self) -> keras.Model:
        return load_model(Path(self._job.model_path))

    @cached_property
    def _float_onnx(self) -> Path:
        from exporters.to_onnx import export_onnx

        path = self._folder / "float.onnx"
        export_onnx(self._keras_model, path)
        return path

    def build(self, item: str) -> None:
        """Builds one item into its own folder, manifest included."""
        folder = self._folder / item
        folder.mkdir()
        if item == REFERENCE:
            self._build_reference(folder)
        else:
            self._build_variant(named_variant(item), folder)

    def _build_reference(self, folder: Path) -> None:
        path = folder / "reference.npy"
        logits = self._keras_model.predict(mnist.shipped("test").as_input(), batch_size=500, verbose=0)
        np.save(path, logits.astype(np.float32, copy=False), allow_pickle=False)
        reference = ReferenceLogits(
            model=self._job.model,
            path=path,
            sha256=sha256_of(path),
            model_sha256=self._model_sha256,
            data_sha256=mnist.shipped_sha256("test"),
            producer=converter_versions(),
        )
        write_manifest(reference, folder / REFERENCE_MANIFEST)

    def _build_variant(self, variant: Variant, folder: Path) -> None:
        from exporters.tensor_specs import onnx_specs, tflite_specs

        path = folder / f"{self._job.model}.{variant.name}{variant.file_suffix}"
        self._write_model_file(variant, path)
        inputs, outputs = onnx_specs(path) if variant.format == "onnx" else tflite_specs(path)
        artifact = ModelArtifact(
            model=self._job.model,
            variant=variant.name,
            format=variant.format,
            path=path,
            sha256=sha256_of(path),
            size_bytes=path.stat().st_size,
            inputs=inputs,
            outputs=outputs,
            quantization=variant.quantization_record(),
            producer=converter_versions(),
            model_sha256=self._model_sha256,
        )
        write_manifest(artifact, folder / ARTIFACT_MANIFEST)

    def _write_model_file(self, variant: Variant, path: Path) -> None:
        how = variant.quantization
        digits = calibration_digits(how.calibration_samples) if how and how.calibration_samples else None
        if variant.format == "tflite":
            from exporters.to_tflite import export_tflite

            export_tflite(self._keras_model, path, how, digits)
        elif how is None:
            path.write_bytes(self._float_onnx.read_bytes())
        else:
            from exporters.ort_quantize import quantize_onnx

            quantize_onnx(self._float_onnx, path, how, digits)


def build_all(job: BuildJob, events: EventStream) -> None:
    """Builds every item in turn, with an event before and after each."""
    builder = Builder(job)
    for item in job.items:
        events.send("building", item=item)
        try:
            builder.build(item)
        except Exception as error:
            events.send("item_failed", item=item, reason=reason_of(error))
        else:
            events.send("built", item=item)


def main() -> int:
    """Reads a job and builds it."""
    events = EventStream.take_stdout()
    return events.guard(lambda: build_all(read_job(sys.stdin, BuildJob), events))


if __name__ == "__main__":
    sys.exit(main())
