"""Builds candidates from one float model and runs them over some samples, beside the float outputs that it keeps."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from crossrt.analysis.diagnosis.outputs import OutputRatios
from crossrt.analysis.onnx_graph import Graph
from crossrt.analysis.onnx_sessions import run, session_with
from crossrt.analysis.samples import Samples
from crossrt.analysis.search.costs import time_shares
from crossrt.analysis.search.record import Built, Opened, SearchJob, Unit
from crossrt.analysis.search.units import quantizable_types, units_of
from crossrt.core.artifact import Quantization
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.calibration import Calibration, selection_of
from crossrt.exporters.jobs import BuildJob, write_artifact
from crossrt.exporters.quantizers.ort.known_issues import cost_issues, known_issues
from crossrt.exporters.quantizers.ort.prepare import prepare, working_copy
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxRecipe
from crossrt.exporters.tensor_specs import onnx_specs
from crossrt.exporters.variants import Variant
from crossrt.reports.text.tensor_names import short_name

MOST_PASS_S = 1.0
"""A candidate's ratio of signal to noise is found in about so much time: it is a first sieve, not the verdict."""

_QUIET = {"session.intra_op.allow_spinning": "0"}
"""Idle threads must not take a core from what is measured meanwhile."""


class Workshop:
    """One float model, its calibration data, and the samples that candidates are run on."""

    def __init__(self, job: SearchJob) -> None:
        """Opens everything, and answers the samples in float.

        Raises:
            CrossrtError: The model cannot be prepared or run, or data do not fit.
        """
        self._job, self._folder = job, Path(job.folder)
        self._float = Path(job.float_path)
        self._specs = onnx_specs(self._float)
        self._calibration = Calibration.open(job.calibration, self._specs[0], job.dimensions)
        self._quantizer = OnnxQuantizer(self._float, self._folder, self._calibration)
        prepare(working_copy(self._float, self._folder), self._quantizer.prepared)
        samples = Samples.open(job.data, self._specs[0], job.dimensions)
        self._calls: list[Arrays] = []
        self._exact: list[Arrays] = []
        self._answer_in_float(samples.calls(job.indices))

    def opened(self) -> Opened:
        """The units of the model, with what each costs."""
        graph = Graph.load(self._quantizer.prepared)
        shares = time_shares(self._quantizer.prepared, self._calls[0], self._job.threads)
        return Opened(
            units=tuple(_shortened(units_of(graph, quantizable_types(), shares), self._job.model)),
            nodes=tuple(node.name for node in graph.nodes if node.name),
            samples=self._samples,
            sample_s=self._sample_s,
        )

    def build(self, name: str, recipe: OnnxRecipe, *, keeps: bool) -> Built:
        """One candidate, run over the samples.

        Args:
            name: Of its folder and of the variant.
            recipe: What it is.
            keeps: Whether its file stays.

        Raises:
            ExportError: It cannot be built.
            ArtifactError: It cannot be run.
        """
        began = time.perf_counter()
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            path = self._write(name, recipe, folder)
            sqnr_db, has_signal = self._compare(path)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if not keeps:
            shutil.rmtree(folder, ignore_errors=True)
        took = time.perf_counter() - began
        return Built(sqnr_db=sqnr_db, has_signal=has_signal, seconds=took, folder=str(folder) if keeps else None)

    def _write(self, name: str, recipe: OnnxRecipe, folder: Path) -> Path:
        variant = Variant(name=name, format="onnx", recipe=recipe)
        job = BuildJob(
            model=self._job.model,
            source_sha256=self._job.source_sha256,
            source=str(self._float),
            kind="onnx",
            folder=str(self._folder),
            items=[variant.item],
            recipes={},
        )
        write_artifact(job, variant, lambda path: self._quantize(variant, recipe, path), folder, self._specs)
        return folder / f"{job.model}.{variant.item}"

    def _quantize(self, variant: Variant, recipe: OnnxRecipe, path: Path) -> Quantization:
        share = self._quantizer.quantize(recipe, path)
        record = variant.quantization_record(None if selection_of(recipe) is None else self._calibration)
        assert record is not None
        issues, costs = (each(recipe, self._quantizer.prepared, path) for each in (known_issues, cost_issues))
        return dataclasses.replace(record, known_issues=issues, cost_issues=costs, quantized_share=share)

    def _compare(self, path: Path) -> tuple[float | None, bool]:
        """The ratio of the worst output, and whether all outputs are numbers."""
        ratios = OutputRatios(self._specs[1], onnx_specs(path)[1])
        session = self._session(path)
        is_finite = True
        for exact, feeds in zip(self._exact, self._calls, strict=True):
            found = run(session, ratios.quantized, feeds)
            is_finite = is_finite and all(_is_finite(found[name]) for name in ratios.quantized)
            ratios.add(exact, found)
        known = [each for name in ratios.originals if (each := ratios.sqnr_db(name)) is not None]
        return min(known, default=None), is_finite

    def _answer_in_float(self, calls: Iterable[Arrays]) -> None:
        """Keeps as many calls and their float outputs as can be run in about a second."""
        names = [spec.name for spec in self._specs[1]]
        session = self._session(self._float)
        began, self._samples = time.perf_counter(), 0
        for feeds in calls:
            found = run(session, names, feeds)
            self._calls.append(feeds)
            self._exact.append({name: found[name] for name in names})
            self._samples += max(len(values) for values in feeds.values() if values.ndim)
            took = time.perf_counter() - began
            if took > MOST_PASS_S:
                break
        self._sample_s = took / max(self._samples, 1)

    def _session(self, path: Path) -> onnxruntime.InferenceSession:
        return session_with(path, (), self._folder, entries=_QUIET)


def _shortened(units: Sequence[Unit], model: str) -> list[Unit]:
    """The same with names as tables show them, where those still tell units apart."""
    short = [short_name(unit.name, model) for unit in units]
    return [
        msgspec.structs.replace(unit, name=name) if short.count(name) == 1 else unit
        for unit, name in zip(units, short, strict=True)
    ]


def _is_finite(values: NDArray[Any]) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values.astype(np.float64)).all())
