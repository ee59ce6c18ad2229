"""Building artifacts for their own sake."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from crossrt.core.artifact import ModelFormat
from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.exporters.errors import ExportError
from crossrt.exporters.variants import Variant
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.build.project import Project
from crossrt.harness.environment import read_environment
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.measure.case import Case, Scenario
from crossrt.harness.measure.settings import BenchSettings, Subject, WorkerLimits
from crossrt.harness.process.probe import probe_runtimes
from crossrt.harness.run.check import check_answers, difference_cautions
from crossrt.harness.run.prepare import Opened, build_request
from crossrt.harness.run.run_state import RunState, new_run_id
from crossrt.reports.text.cells import listed
from crossrt.reports.text.patterns import matches
from crossrt.reports.text.progress import Display
from crossrt.runtimes.registry import shipped_runtime_for

CHECK_BATCH = 100
TIMEOUT_S = 600.0
"""LiteRT's kernels of int16x8 take more than a minute for ten thousand samples on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was built, and how it answers.

    Attributes:
        found: The artifacts; what cannot be used is among its problems.
        evaluations: How artifacts answer, by id.
        definitions: The metrics of the task.
        cautions: What must be said of files that passed, by id.
        reference_cautions: What speaks against believing any of it.
        answered: Ids of files that answer too differently from the source model; what else failed never answered.
        is_interrupted: Whether files are missing that were built and not checked before an interrupt.
    """

    found: Artifacts
    evaluations: dict[str, Evaluation]
    definitions: tuple[MetricDefinition, ...]
    cautions: dict[str, str]
    reference_cautions: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    is_interrupted: bool = False


def run_export(
    opened: Opened,
    subject: Subject,
    variants: Sequence[Variant],
    minimum_agreement: float,
    display: Display,
    *,
    is_named: bool = True,
    keeps: bool = False,
) -> Exported:
    """Builds variants, or finds them in the cache, and checks each on the shipped runtime of its format.

    Those that answer too differently from the source model are among the problems.

    Args:
        opened: Models and data.
        subject: What the user brings.
        variants: What is built.
        minimum_agreement: What answers a smaller share of the samples like the model is a problem; see `judge`.
        display: Follows.
        is_named: Whether the user named the variants; recipes that do not fit the model are left out where not.
        keeps: Give back what was checked before an interrupt, where that is anything but float files.

    Raises:
        ExportError: The model cannot be loaded, or is one that nothing is built from.
        HarnessError: Packages are missing, or the runtime that checks what is built cannot be used.
    """
    project = opened.project
    if project.source is None:
        raise ExportError(nothing_built(project, "give"))
    _check_runtimes({each.format for each in variants} | {each.format for each in project.given})
    found = get_artifacts(build_request(opened, subject, variants, is_named=is_named), opened.folder, display)
    found.artifacts = {**{each.id: each for each in project.given}, **found.artifacts}
    state = _state(opened, subject, found, minimum_agreement)
    is_interrupted = False
    try:
        check_answers(state, found, display, compares_pairs=False)
    except KeyboardInterrupt:
        is_interrupted = True
        if not keeps or not _has_quantized(state):
            raise
    evaluations, answered = {}, []
    reference_cautions = (*opened.cautions, *state.cautions, *state.warnings)
    for case in state.cases:
        assessment = state.assessments.get(case.id)
        if assessment is None:  # interrupted before its turn
            del found.artifacts[case.artifact_id]
        elif assessment.status == "ok" and assessment.evaluation is not None:
            evaluations[case.artifact_id] = assessment.evaluation
        else:
            found.problems[case.artifact_id] = ChildFailedError(assessment.reason or assessment.status, "")
            del found.artifacts[case.artifact_id]
            answered += [case.artifact_id] if assessment.evaluation is not None else []
    definitions = state.judge.task.metrics if state.judge else ()
    cautions = difference_cautions(state)
    of_files = {f"{item}: {caution}" for item, caution in cautions.items()}
    return Exported(
        found=found,
        evaluations=evaluations,
        definitions=definitions,
        cautions=cautions,
        reference_cautions=tuple(each for each in dict.fromkeys(reference_cautions) if each not in of_files),
        answered=tuple(answered),
        is_interrupted=is_interrupted,
    )


def nothing_built(project: Project, takes: str) -> str:
    """Why no variant can be made of what the user brought, and what to bring.

    Args:
        project: What was brought.
        takes: How the sentence goes on before what is taken, such as `give`.
    """
    quantized = next((each.path.name for each in project.given if each.role == "quantized"), None)
    if quantized is not None:
        return f"{quantized} is already quantized: {takes} the float model that it was made from"
    return (
        f"nothing can be built from {project.model}: {takes} a Keras or SavedModel model, or a single float ONNX or"
        " TFLite file (with --calibration, unless a recipe needs none)"
    )


def _has_quantized(state: RunState) -> bool:
    """Whether any quantized file was checked."""
    quantized = (case.id for case in state.cases if state.artifacts[case.artifact_id].role == "quantized")
    return any(case in state.assessments for case in quantized)


def _check_runtimes(formats: Collection[ModelFormat]) -> None:
    """Finds out before the work, not after it, that nothing of a format could be checked."""
    names = sorted({shipped_runtime_for(each) for each in formats})
    problems = [f"{each.name}: {each.problem}" for each in (probe_runtimes(names) if names else ()) if each.problem]
    if problems:
        raise HarnessError(f"what is built cannot be checked: {'; '.join(problems)}")


def _state(opened: Opened, subject: Subject, found: Artifacts, minimum_agreement: float) -> RunState:
    """A run of one case for each artifact."""
    cases = [
        Case(
            model=each.model,
            variant=each.variant,
            format=each.format,
            runtime=shipped_runtime_for(each.format),
            # a recurrent layer has a fixed batch in TFLite, whatever the model has
            scenario=Scenario(
                batch_size=CHECK_BATCH if each.batching.dimension else each.batching.size or 1, threads=1
            ),
        )
        for each in found.artifacts.values()
    ]
    settings = BenchSettings(
        subject=subject, minimum_agreement=minimum_agreement, limits=WorkerLimits(timeout_s=TIMEOUT_S)
    )
    now = datetime.now(UTC)
    return RunState(
        id=new_run_id(now),
        started_at=now,
        settings=settings,
        command=(),
        environment=read_environment((), 1),
        project=opened.project,
        data=opened.data,
        baseline=cases[0].subject if cases else "",
        cases=cases,
        artifacts=dict(found.artifacts),
        effort=settings.effort,
        cautions=list(opened.cautions),
        warnings=opened.warnings,
    )


def float_variants(opened: Opened, formats: Sequence[ModelFormat]) -> list[Variant]:
    """The float variants of these formats that have to be built."""
    return [each for each in opened.project.variants if each.recipe is None and each.format in formats]


def check_exportable(project: Project) -> None:
    """Raises `HarnessError` where nothing can be built, as files are what would be built."""
    if project.variants or not project.given:
        return
    if project.folder is not None:
        folder = project.given[0].path.parent
        raise HarnessError(f"{folder} holds artifacts already: measure them (crossrt bench --artifacts {folder})")
    named = project.quantizable.path if project.quantizable is not None else project.given[0].path
    form = "ONNX" if project.given[0].format == "onnx" else "TFLite"
    hint = ", or give --calibration" if project.quantizable is not None else ""
    raise HarnessError(
        f"{named} is {form} already and nothing is to be built from it: measure it as it is (crossrt bench"
        f" {named}){hint}"
    )


def select_variants(model: str, variants: Sequence[Variant], only: Sequence[str]) -> list[Variant]:
    """The variants that fit a pattern; all of them where there is none.

    Raises:
        HarnessError: The patterns select nothing.
    """
    found = [each for each in variants if not only or any(_fits(pattern, model, each) for pattern in only)]
    if not found:
        known = listed([variant.item for variant in variants]) or "none"
        raise HarnessError(f"{' '.join(only)} selects no artifact; available: {known}")
    return found


def _fits(pattern: str, model: str, variant: Variant) -> bool:
    """True if a pattern selects `<variant>.<format>`; a plain variant's name selects that variant alone."""
    return matches(pattern, f"{model}.{variant.item}", variant.item, variant.name)


def written(path: Path) -> str:
    """A file and its size, for a list."""
    return f"{path.stat().st_size:>10,} bytes  {path}"
