"""Compares what a training wrote: every scale of both files, and their answers in quantization steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from crossrt.analysis.same_scales import ComparedTensor, LayerSteps, SameScalesJob
from crossrt.core.artifact import ModelArtifact
from crossrt.datasets.fitting import fit, model_feeds
from crossrt.datasets.protocol import Dataset
from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.qat.jobs import COMPARED_SAMPLES, STEPS
from crossrt.harness.build.asking import ask_about
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.answers import Outputs, collect_answers
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.harness.qat.request import LsbDifference, Proof
from crossrt.reports.text.cells import listed
from crossrt.reports.text.progress import Display
from crossrt.runtimes.registry import shipped_runtime_for

MOST_SAMPLES: Final = 10_000
CHECK_BATCH: Final = 100
TIMEOUT_S: Final = 600.0
FAKE: Final = "fake quantization"
_ROUNDING: Final = 1e-3
"""Of a step: what float32 leaves open when an output is made real."""


def answers_of(
    artifacts: Mapping[str, ModelArtifact], dataset: Dataset, folder: Path, display: Display
) -> dict[str, Outputs]:
    """What each file answers on the shipped runtime of its format, by id.

    Raises:
        ExportError: A file does not run.
    """
    display.phase("checking answers", len(artifacts))
    scratch = folder / "answers"
    scratch.mkdir()
    data = RunData(dataset, scratch, MOST_SAMPLES)
    found = {}
    for key, artifact in artifacts.items():
        display.doing(key)
        try:
            found[key] = _answers(artifact, data)
        except ChildFailedError as failure:
            raise ExportError(f"{key} cannot be run: {failure.reason}") from failure
        display.step()
    return found


def _answers(artifact: ModelArtifact, data: RunData) -> Outputs:
    feeding = feeding_of(artifact, data.dataset, {})
    scenario = Scenario(batch_size=min(CHECK_BATCH, data.samples), threads=1)
    with CaseWorker(1, limits_for(artifact, WorkerLimits(timeout_s=TIMEOUT_S))) as worker:
        worker.start_import(shipped_runtime_for(artifact.format))
        worker.finish_import()
        worker.load(artifact, scenario.session_options(feeding.dimensions))
        return collect_answers(worker, feeding, data, scenario.batch_size, 0).outputs


def prove(
    pair: Mapping[str, ModelArtifact],
    answers: Mapping[str, Outputs],
    folder: Path,
    trained: Path,
    expected: Path | None = None,
    dataset: Dataset | None = None,
) -> Proof:
    """Compares the two quantized files with what was trained or calibrated, and with each other.

    Args:
        pair: Both, by id.
        answers: What they answer, by id; none to compare scales alone.
        folder: A scratch folder.
        trained: The file of the scales.
        expected: The file of what the fake-quantized model answers; what its layers compute lies beside it.
        dataset: On the first samples of it every layer is compared; None for none.

    Raises:
        ExportError: A file cannot be read.
    """
    by_format = {each.format: each for each in pair.values()}
    job = SameScalesJob(
        trained=str(trained),
        onnx=str(by_format["onnx"].path),
        tflite=str(by_format["tflite"].path),
        folder=str(folder),
        samples=None if dataset is None else str(_first_samples(dataset, by_format["onnx"], folder)),
        fake=None if expected is None else str(expected.with_name(STEPS)),
    )
    event = ask_about(listed(list(pair)), "crossrt.analysis.same_scales", dataclasses.asdict(job), "compared")
    return Proof(
        files={each.path.name: each.sha256 for each in pair.values()},
        tensors=msgspec.convert(event["found"], tuple[ComparedTensor, ...]),
        outputs=tuple(differences(pair, answers, expected)) if answers else (),
        layers=msgspec.convert(event["layers"], tuple[LayerSteps, ...]),
        samples=0 if dataset is None else min(len(dataset), COMPARED_SAMPLES),
    )


def _first_samples(dataset: Dataset, artifact: ModelArtifact, folder: Path) -> Path:
    """Writes them as both files take them."""
    path, inputs = folder / "samples.npz", artifact.inputs
    found = fit(dataset, inputs, artifact.batching)
    feeds = model_feeds(dataset, found, inputs, artifact.batching, range(min(len(dataset), COMPARED_SAMPLES)))
    np.savez(path, **feeds)  # type: ignore[arg-type]
    return path


def differences(
    pair: Mapping[str, ModelArtifact], answers: Mapping[str, Outputs], expected: Path | None
) -> list[LsbDifference]:
    """Of each two of the trained model and the files, output by output."""
    steps = {each.name: each.step for artifact in pair.values() for each in artifact.outputs if each.step is not None}
    fake: Outputs = {}
    if expected is not None:
        with np.load(expected, allow_pickle=False) as archive:
            fake = {name: archive[name] for name in archive.files}
    found = []
    for output, step in steps.items():
        arrays: dict[str, NDArray[Any]] = {key: answers[key][output] for key in pair}
        if output in fake:
            arrays = {FAKE: fake[output][: len(next(iter(arrays.values())))], **arrays}
        told = output if len(steps) > 1 else ""
        for one, other in combinations(arrays, 2):
            found.append(replace(lsb_difference(one, arrays[one], other, arrays[other], step), output=told))
    return found


def lsb_difference(one: str, first: NDArray[Any], other: str, second: NDArray[Any], step: float) -> LsbDifference:
    """How far two arrays of answers are apart."""
    steps = np.abs(first.astype(np.float64) - second.astype(np.float64)) / step
    return LsbDifference(
        one=one,
        other=other,
        samples=len(first),
        values=steps.size,
        equal=float((steps < _ROUNDING).mean()),
        within_one=float((steps < 1 + _ROUNDING).mean()),
        most=round(float(steps.max()), 3),
    )
