"""What the processes that quantize a file have in common: one job, its file, its calibration data, item by item."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from crossrt.core.artifact import Quantization
from crossrt.core.events import EventStream, read_job
from crossrt.exporters.calibration import NEEDS_CALIBRATION, Calibration
from crossrt.exporters.errors import ExportError
from crossrt.exporters.inspection import SourceKind
from crossrt.exporters.jobs import BuildJob, write_artifact
from crossrt.exporters.sources.detect import check_source
from crossrt.exporters.tensor_specs import Specs, onnx_specs, tflite_specs
from crossrt.exporters.variants import Variant


class FileBuilder(ABC):
    """Builds the items of one job from a float file.

    Attributes:
        kind: What the file has to be.
    """

    kind: ClassVar[SourceKind] = "onnx"

    def __init__(self, job: BuildJob) -> None:
        """Raises `ExportError` where the file is of another kind."""
        self._job, self._source = job, Path(job.source)
        if (found := check_source(self._source)) != self.kind:
            names = {"onnx": "an ONNX", "tflite": "a TFLite"}
            raise ExportError(f"{job.source} is not {names[self.kind]} file: it is {found}")

    @cached_property
    def _specs(self) -> Specs:
        return onnx_specs(self._source) if self.kind == "onnx" else tflite_specs(self._source)

    @cached_property
    def _calibration(self) -> Calibration:
        """Opened for recipes that need it, and for no others: it may be a data set that does not fit."""
        if self._job.calibration is None:
            raise ExportError(NEEDS_CALIBRATION)
        return Calibration.open(self._job.calibration, self._specs[0], self._job.dimensions)

    def build(self, item: str, folder: Path) -> None:
        """Builds one item into its folder, manifest included."""
        variant = self._job.variant(item)
        write_artifact(self._job, variant, lambda path: self._write(variant, path), folder, self._specs)

    @abstractmethod
    def _write(self, variant: Variant, path: Path) -> Quantization:
        """Writes the file of a variant, and says how it is quantized."""


def serve(build: Callable[[BuildJob, EventStream], None]) -> int:
    """Reads a job from standard input and builds it; the exit code."""
    events = EventStream.take_stdout()
    return events.guard(lambda: build(read_job(sys.stdin, BuildJob), events))
