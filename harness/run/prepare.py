"""Everything before cases are checked: models, data, cases, artifacts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import DataError
from crossrt.core.tensor import dynamic_dimensions
from crossrt.datasets.checks import other_ranges, overlap, unexpected_ranges, value_ranges
from crossrt.datasets.fitting import fit
from crossrt.datasets.opening import open_dataset
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.tasks.choosing import check_task_name
from crossrt.exporters.variants import Variant
from crossrt.harness.build.builder import Artifacts, BuildRequest
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.build.project import Project, resolve
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.settings import Subject
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.harness.process.scratch import scratch_folder as temporary_folder
from crossrt.harness.process.user_code import user_code_in
from crossrt.harness.process.user_data import served
from crossrt.reports.text.cells import counted
from crossrt.reports.text.progress import Display


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A project with its data open.

    Attributes:
        project: Models and what can be built.
        data: What they are fed with.
        calibration: What quantizers are calibrated with, or None.
        folder: A scratch folder, removed when the run ends.
        cautions: What speaks against believing all that follows.
        warnings: What a reader has to look at, and need not make answers meaningless.
        notes: What a reader must know.
    """

    project: Project
    data: RunData
    calibration: Dataset | None
    folder: Path
    cautions: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that lasts as long as a run, and with it the processes that run code of the user's.

    Raises:
        HarnessError: It cannot be made.
    """
    with temporary_folder() as folder, user_code_in(folder):
        yield folder


def open_project(subject: Subject, folder: Path, calibrates: Callable[[Project], bool] | None = None) -> Opened:
    """Looks at the models and opens the data.

    Args:
        subject: What the user brings.
        folder: A scratch folder.
        calibrates: Whether calibration data are for anything that is chosen: where not, those of a configuration file
            stay closed. None for yes.

    Raises:
        PluginError: The task is not known.
        ModelError: A model cannot be used.
        DataError: Data cannot be used, or do not fit the first model.
    """
    if subject.task is not None:
        check_task_name(subject.task)
    project = resolve(subject)
    _check_dimensions(project, subject)
    if subject.calibration_origin is not None and calibrates is not None and not calibrates(project):
        project = dataclasses.replace(project, calibration=None)
    with naming_origin("data", subject.data_origin):
        project = dataclasses.replace(project, data=served(project.data, project.inputs, folder))
        dataset = open_dataset(project.data, project.inputs)
        if not len(dataset):
            raise DataError(f"{dataset.name} holds no samples")
        arrays = fit(dataset, project.inputs, project.batching, subject.dimensions).arrays
    with naming_origin("calibration data", subject.calibration_origin):
        if project.calibration is not None:
            calibrated = served(project.calibration, project.inputs, folder, known=project.data)
            project = dataclasses.replace(project, calibration=calibrated)
        calibration = open_dataset(project.calibration, project.inputs) if project.calibration else None
        if calibration is not None:
            fit(calibration, project.inputs, project.batching, subject.dimensions)
    data = RunData(dataset, folder, subject.samples)
    with naming_origin("data", subject.data_origin):
        data.first()  # what is wrong with the samples is found before anything is built or run
    return Opened(
        project=project,
        data=data,
        calibration=calibration,
        folder=folder,
        cautions=tuple(_cautions(project, dataset, calibration, arrays)),
        warnings=(*data.warnings, *_ranges(project, dataset, calibration)),
        notes=(*project.notes, *dataset.notes, *_part_note(project, calibration)),
    )


def _part_note(project: Project, calibration: Dataset | None) -> Iterator[str]:
    """Which part of the data that a user named is calibrated with, where they have parts: its name says it."""
    request = project.calibration
    if calibration is None or request is None or request.fallback_split is None:
        return
    if calibration.name not in (request.reference, Path(request.reference).name):
        yield f"--calibration {request.reference}: {calibration.name}, {counted(len(calibration), 'sample')}"


@contextmanager
def naming_origin(what: str, origin: str | None) -> Iterator[None]:
    """Says of data that cannot be used which configuration file names them: the command line did not."""
    try:
        yield
    except DataError as error:
        if origin is None:
            raise
        raise DataError(f"{what} from {origin}: {error}") from error


def _check_dimensions(project: Project, subject: Subject) -> None:
    """A name that no model has would change nothing, in silence."""
    known = dynamic_dimensions([*project.inputs, *(spec for each in project.given for spec in each.inputs)])
    for name in subject.dimensions:
        if name not in known:
            available = ", ".join(known) or "none, all sizes are fixed"
            raise HarnessError(f"--dim {name}: no input of {project.model} has this dimension; available: {available}")


def _cautions(
    project: Project, dataset: Dataset, calibration: Dataset | None, arrays: Mapping[str, str]
) -> Iterator[str]:
    """What the data themselves speak against."""
    if project.expected_ranges and not project.is_random:
        yield from unexpected_ranges(value_ranges(dataset), project.expected_ranges, arrays)
    if calibration is None or project.shares_none or project.is_random:
        return
    if (shared := overlap(dataset, calibration)) is not None:
        yield f"test and calibration data overlap: {shared}; accuracy is judged on what the quantizer has seen"


def refuse_overlap(opened: Opened) -> None:
    """For commands that choose by what they measure: it has to be measured on samples that no quantizer saw.

    Raises:
        DataError: Samples of the test data are among the calibration data.
    """
    if opened.project.shares_none or opened.project.is_random or opened.calibration is None:
        return
    if (shared := overlap(opened.data.dataset, opened.calibration)) is not None:
        raise DataError(
            f"test and calibration data overlap: {shared}; accuracy would be judged on what the quantizer has seen:"
            " give other data with --calibration or --data"
        )


def _ranges(project: Project, dataset: Dataset, calibration: Dataset | None) -> Iterator[str]:
    """Inputs that reach farther than what quantizers are calibrated with: they would be clipped."""
    if calibration is not None and not project.shares_none and not project.is_random:
        yield from other_ranges(value_ranges(dataset), value_ranges(calibration))


def artifacts_for(
    cases: Sequence[Case],
    runtimes: Sequence[RuntimeInfo],
    opened: Opened,
    subject: Subject,
    display: Display,
    *,
    is_named: bool = True,
) -> Artifacts:
    """The files that cases run: given ones, those of a folder, and those that the cache has or that are built now.

    Args:
        cases: The cases.
        runtimes: What runtimes there are.
        opened: Models and data.
        subject: What the user brings.
        display: Follows.
        is_named: Whether the user named the cases; recipes that do not fit the model are left out where not.

    Raises:
        ExportError: The model cannot be loaded.
        HarnessError: Something must be built, and packages for that are missing; or no runtime can be used.
    """
    usable = {runtime.name for runtime in runtimes if runtime.problem is None}
    runnable = [case for case in cases if case.runtime in usable]
    if not runnable:
        problems = "; ".join(f"{runtime.name}: {runtime.problem}" for runtime in runtimes if runtime.problem)
        raise HarnessError(f"no runtime can be used: {problems}")
    project = opened.project
    if project.folder is not None:
        return _with_fitting_reference(project.folder, opened, display)
    found = Artifacts()
    if project.source is not None:
        named = {(case.variant, case.format) for case in runnable}
        wanted = [each for each in project.buildable if (each.name, each.format) in named]
        found = get_artifacts(build_request(opened, subject, wanted, is_named=is_named), opened.folder, display)
    given: dict[str, ModelArtifact] = {each.id: each for each in project.given}
    found.artifacts = {**given, **found.artifacts}
    return found


def _with_fitting_reference(found: Artifacts, opened: Opened, display: Display) -> Artifacts:
    """Artifacts of a folder, without the source model's answers where those belong to other data."""
    if found.reference is None or found.reference.data_fingerprint == opened.data.dataset.fingerprint:
        return found
    display.remark(
        f"  the source model's answers in that folder are not to {opened.data.dataset.name}: the first case that"
        " answers is the reference"
    )
    return dataclasses.replace(found, reference=None)


def build_request(
    opened: Opened, subject: Subject, variants: Sequence[Variant], *, is_named: bool = True
) -> BuildRequest:
    """What has to be built for some variants of a project that has a source.

    Args:
        opened: The project.
        subject: What the user brings.
        variants: What is built.
        is_named: Whether the user named them.
    """
    project = opened.project
    assert project.source is not None
    return BuildRequest(
        model=project.model,
        source=project.source,
        variants=variants,
        data=project.data,
        dataset=opened.data.dataset,
        samples=opened.data.samples,
        calibration=project.calibration,
        calibration_fingerprint=opened.calibration.fingerprint if opened.calibration is not None else None,
        dimensions=subject.dimensions,
        allow_h5=subject.allow_h5,
        is_named=is_named,
    )
