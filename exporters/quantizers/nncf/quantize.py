"""Quantizes an ONNX file with NNCF in a process of its own: `python -m crossrt.exporters.quantizers.nncf.quantize`.

The job comes on standard input, events go to standard output; what NNCF prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from crossrt.core.artifact import Quantization
from crossrt.core.events import EventStream
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.calibration import selection_of
from crossrt.exporters.errors import ExportError, UnfitRecipeError, first_line
from crossrt.exporters.jobs import BuildJob, build_all
from crossrt.exporters.quantizers.builder import FileBuilder, serve
from crossrt.exporters.quantizers.nncf.library import import_nncf
from crossrt.exporters.quantizers.nncf.static import quantized
from crossrt.exporters.quantizers.nncf.weights import compressed
from crossrt.exporters.quantizers.ort.check import check_quantized
from crossrt.exporters.quantizers.ort.prepare import working_copy
from crossrt.exporters.recipes.library import OnnxNncf, OnnxNncfWeights
from crossrt.exporters.tensor_specs import onnx_quantization
from crossrt.exporters.variants import Variant


class NncfBuilder(FileBuilder):
    """Builds the items of one job."""

    def __init__(self, job: BuildJob, scratch: Path) -> None:
        super().__init__(job)
        self._scratch = scratch

    def _write(self, variant: Variant, path: Path) -> Quantization:
        recipe = variant.recipe
        if not isinstance(recipe, OnnxNncf | OnnxNncfWeights):
            raise ExportError(f"{variant.item} is not a recipe for NNCF")
        nncf, which = import_nncf(), selection_of(recipe)
        calibration = None if which is None else self._calibration
        feeds = [] if calibration is None or which is None else list(calibration.feeds(which, most=1))
        onnx.save(self._quantized(nncf, recipe, feeds), path)
        _check_loads(path)
        asked = variant.quantization_record(calibration)
        assert asked is not None
        share, found = check_quantized(path, asked.scheme), onnx_quantization(path) or asked
        return dataclasses.replace(
            found,
            calibration_method=asked.calibration_method,
            calibration_samples=asked.calibration_samples,
            calibration_sha256=asked.calibration_sha256,
            recipe=asked.recipe,
            quantized_share=share,
        )

    def _quantized(self, nncf: Any, recipe: OnnxNncf | OnnxNncfWeights, feeds: list[Arrays]) -> onnx.ModelProto:
        source = working_copy(self._source, self._scratch)
        with _failing_as_nncf():
            if isinstance(recipe, OnnxNncf):
                return quantized(nncf, source, recipe, feeds)
            return compressed(nncf, source, recipe, feeds)


@contextlib.contextmanager
def _failing_as_nncf() -> Iterator[None]:
    """One message of whatever the library raises."""
    try:
        yield
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(f"NNCF failed: {type(error).__name__}: {first_line(error)}") from error


def _check_loads(path: Path) -> None:
    """NNCF writes some files that ONNX Runtime does not take."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        path.unlink()
        raise UnfitRecipeError(f"NNCF wrote a file that ONNX Runtime does not load: {first_line(error)}") from error


def _build(job: BuildJob, events: EventStream) -> None:
    with tempfile.TemporaryDirectory(dir=job.folder, prefix=".scratch-") as scratch:
        build_all(job, NncfBuilder(job, Path(scratch)).build, events)


def main() -> int:
    """Reads a job and builds it."""
    return serve(_build)


if __name__ == "__main__":
    sys.exit(main())
