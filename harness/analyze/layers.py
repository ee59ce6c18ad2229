"""What quantization did to every tensor of the files of a run: a pass of its own, in processes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from crossrt.analysis.diagnosis.record import DiagnosedTensor, Diagnosis
from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import CrossrtError
from crossrt.harness.analyze.diagnosis.run import diagnose_file
from crossrt.harness.build.asking import TIMEOUT_S
from crossrt.harness.build.model_files import float_counterpart
from crossrt.harness.build.subject import Found, as_found
from crossrt.harness.errors import HarnessError
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.pool import DrivingPool
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.records import LayerErrors, TensorError
from crossrt.reports.text.progress import Display

SAMPLES: Final = 1_000
"""How many samples each file answers at most."""


def diagnose_layers(state: RunState, display: Display) -> tuple[LayerErrors, ...]:
    """Every quantized file that answered, in the order of the run; one that cannot be diagnosed is a remark."""
    pairs = _pairs(state, display)
    display.phase("diagnosing", len(pairs))
    diagnoses: dict[str, Diagnosis] = {}
    with DrivingPool(len(usable_cpus())) as pool:
        futures: dict[Future[Diagnosis], str] = {
            pool.submit(_diagnose, state, found): name for name, found in pairs.items()
        }
        for future in as_completed(futures):
            name = futures[future]
            try:
                diagnoses[name] = future.result()
            except CrossrtError as error:
                display.remark(f"  {name}: not diagnosed: {error}")
            display.step(name)
    return tuple(_layer_errors(name, diagnoses[name]) for name in pairs if name in diagnoses)


def _diagnose(state: RunState, found: Found) -> Diagnosis:
    with TemporaryDirectory(prefix="diagnosis-", dir=state.data.folder) as folder:
        samples = min(SAMPLES, state.data.samples)
        feeding = state.feedings.get(found.artifact.id)
        dimensions = state.settings.subject.dimensions if feeding is None else feeding.dimensions
        timeout_s = max(TIMEOUT_S, state.settings.limits.timeout_s)
        return diagnose_file(found, samples, state.project.data, dimensions, Path(folder), timeout_s)


def _pairs(state: RunState, display: Display) -> Mapping[str, Found]:
    """Each quantized file that answered, beside the float file of its format."""
    answered = {case.artifact_id for case in state.cases if _has_answered(state, case.id)}
    found = {}
    for name, artifact in state.artifacts.items():
        if name not in answered or artifact.role == "float":
            continue
        original = float_counterpart(artifact, list(state.artifacts.values()))
        try:
            found[name] = _pair(artifact, original)
        except HarnessError as error:
            display.remark(f"  {name}: not diagnosed: {error}")
    return found


def _has_answered(state: RunState, case: str) -> bool:
    return case in state.assessments and state.assessments[case].evaluation is not None


def _pair(artifact: ModelArtifact, original: ModelArtifact | None) -> Found:
    if original is None:
        raise HarnessError(f"no float {artifact.format} file beside it")
    return as_found(artifact, original)


def _layer_errors(name: str, diagnosis: Diagnosis) -> LayerErrors:
    return LayerErrors(artifact=name, samples=diagnosis.samples, tensors=tuple(map(_tensor_error, diagnosis.tensors)))


def _tensor_error(tensor: DiagnosedTensor) -> TensorError:
    return TensorError(
        tensor=tensor.name,
        role=tensor.role,
        dtype=tensor.dtype,
        sqnr_db=tensor.sqnr_db,
        relative_error=tensor.relative_error,
        cosine=tensor.cosine,
        saturated=tensor.saturated,
        clipped=tensor.clipped,
    )
