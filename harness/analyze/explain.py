"""Why a variant is as fast as it is: which kernels its runtime runs, on what, for how long, and why not on integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from crossrt.analysis.explanation.record import UnfusedOperator
from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import CrossrtError
from crossrt.datasets.opening import RANDOM, DataRequest, open_dataset
from crossrt.exporters.variants import Variant
from crossrt.harness.analyze.unfused_operators import can_be_explained, find_unfused_operators, unfused_lines
from crossrt.harness.build.model_files import is_named
from crossrt.harness.build.project import Project
from crossrt.harness.build.variant_files import VariantFiles
from crossrt.harness.errors import ChildFailedError, HarnessError, NoAnswerError
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.evidence.call import evidence_of_file
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.profiling import profile_file
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.affinity import check_threads
from crossrt.harness.process.case_worker import UnsupportedError
from crossrt.harness.process.probe import RuntimeInfo, stated_formats
from crossrt.harness.process.pythons.foreign import ForeignPython
from crossrt.reports.schema.evidence import CallEvidence
from crossrt.reports.tables.evidence import evidence_lines
from crossrt.reports.text.cells import Cell, Sheet, counted, listed
from crossrt.reports.text.progress import Display
from crossrt.runtimes.kernels import Kernel, KernelKind, Profile
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import selector_of

CALLS: Final = 200
KINDS: Final[Sequence[KernelKind]] = get_args(KernelKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One variant on one runtime.

    Attributes:
        artifact: The file.
        runtime: Its name.
        batch_size: Samples per call.
        profile: The kernels of a call.
        alike: Other variants that come to the same kernels.
        unfused: Kernels that are not integer kernels, and why.
        unexplained: Why that is not known, where it could be.
        evidence: What a call costs the processor, where the machine tells.
        missing: What of that the machine does not show.
    """

    artifact: ModelArtifact
    runtime: str
    batch_size: int
    profile: Profile
    alike: Sequence[str] = ()
    unfused: Sequence[UnfusedOperator] = ()
    unexplained: str | None = None
    evidence: CallEvidence | None = None
    missing: Sequence[str] = ()

    @property
    def counts(self) -> Counter[KernelKind]:
        """Kernels by kind."""
        return Counter(kernel.kind for kernel in self.profile.kernels)

    def share(self, kind: KernelKind) -> float | None:
        """Share of kernel time; None where times are not known."""
        total = sum(kernel.duration_ns or 0.0 for kernel in self.profile.kernels)
        part = sum(kernel.duration_ns or 0.0 for kernel in self.profile.kernels if kernel.kind == kind)
        return part / total if total else None

    @property
    def outside(self) -> float | None:
        """Share of the call that is outside the kernels."""
        if not self.profile.call_ns:
            return None
        return 1 - sum(kernel.duration_ns or 0.0 for kernel in self.profile.kernels) / self.profile.call_ns


def chosen_file(name: str, runtime: RuntimeInfo, found: VariantFiles) -> ModelArtifact:
    """The file of a variant that a runtime reads.

    Raises:
        HarnessError: There is no such case, or its file cannot be used.
    """
    for key, reason in found.problems.items():
        if name in (key, key.partition(".")[2], key.split(".")[1]):
            raise HarnessError(f"{key} cannot be used: {reason}")
    readable = [each for each in found.files if each.format in runtime.formats]
    fitting = [each for each in readable if is_named(each, name)]
    if not fitting:
        known = listed([f"{each.variant}@{runtime.name}" for each in readable]) or "none"
        raise HarnessError(f"{name}@{runtime.name} is not a case; available: {known}")
    return fitting[0]


def check_case(name: str, runtime: str, project: Project, variants: Sequence[Variant]) -> None:
    """Looks, before anything is installed or built, whether a variant is there that a runtime may read.

    Args:
        name: The variant.
        runtime: The runtime as the user named it.
        project: The model.
        variants: What can be built.

    Raises:
        HarnessError: There is no such case.
    """
    formats = stated_formats(selector_of(runtime))
    given = [(each.variant, each.format, each.id) for each in project.given]
    built = [(each.name, each.format, f"{project.model}.{each.item}") for each in variants]
    readable = [each for each in (*given, *built) if each[1] in formats]
    broken = () if project.folder is None else project.folder.problems
    if any(name in (variant, f"{variant}.{form}", key) for variant, form, key in readable) or any(
        name in (key, key.partition(".")[2], key.split(".")[1]) for key in broken
    ):
        return
    known = listed([f"{variant}@{runtime}" for variant, _, _ in readable]) or "none"
    raise HarnessError(f"{name}@{runtime} is not a case; available: {known}")


def session_options(
    artifact: ModelArtifact, data: DataRequest | None, dimensions: Mapping[str, int], batch_size: int, threads: int
) -> SessionOptions:
    """How a file is run: sizes of its dimensions follow from data, where there are any.

    Raises:
        DataError: Data do not fit, or a dimension has no size.
        HarnessError: There are far more threads than processors.
    """
    check_threads(threads)
    request = data or DataRequest(reference=RANDOM, limit=1, dimensions=dict(dimensions))
    feeding = feeding_of(artifact, open_dataset(request, artifact.inputs), dimensions)
    size = batch_size if artifact.batching.dimension is not None else artifact.batching.size or 1
    return Scenario(batch_size=size, threads=threads).session_options(feeding.dimensions)


def run_explain(
    artifact: ModelArtifact,
    others: Sequence[ModelArtifact],
    runtime: str,
    options: SessionOptions,
    folder: Path,
    display: Display,
    timeout_s: float = WorkerLimits().timeout_s,
    file_name: str | None = None,
    python: ForeignPython | None = None,
) -> Explanation:
    """Profiles a file, and looks which others come to the same kernels.

    Args:
        artifact: The file.
        others: Other variants.
        runtime: Its name.
        options: How files are run.
        folder: A scratch folder.
        display: Follows.
        timeout_s: How long a step of a worker may take.
        file_name: What messages call a file of the user's.
        python: Another Python that runs the workers, or None for this one.

    Raises:
        HarnessError: The runtime refuses the file, crashes on it, or cannot tell what it runs.
    """
    display.phase("profiling", 1 + len(others))
    profile = _profiled(artifact, runtime, options, CALLS, timeout_s, file_name, python)
    if profile is None:
        raise HarnessError(f"{runtime} cannot tell which kernels it runs")
    display.step()
    alike = []
    for other in others:
        try:
            found = _profiled(other, runtime, options, 1, timeout_s, python=python)
        except HarnessError as error:
            display.remark(f"  not compared: {error}")
            found = None
        if found is not None and _steps(found) == _steps(profile):
            alike.append(other.variant)
        display.step()
    unfused, unexplained = _unfused(artifact, runtime, profile, options, folder)
    limits = limits_for(artifact, WorkerLimits(timeout_s=timeout_s))
    evidence, missing = evidence_of_file(artifact, runtime, options, limits, folder, python)
    return Explanation(
        artifact=artifact,
        runtime=runtime,
        batch_size=options.batch_size,
        profile=profile,
        alike=alike,
        unfused=unfused,
        unexplained=unexplained,
        evidence=evidence,
        missing=missing,
    )


def _profiled(
    artifact: ModelArtifact,
    runtime: str,
    options: SessionOptions,
    calls: int,
    timeout_s: float,
    file_name: str | None = None,
    python: ForeignPython | None = None,
) -> Profile | None:
    """The kernels of a file; every failure is one that the user can read."""
    name = file_name or artifact.id
    try:
        limits = limits_for(artifact, WorkerLimits(timeout_s=timeout_s))
        return profile_file(artifact, runtime, options, calls, limits, python)
    except NoAnswerError as failure:
        help_too = f", or fewer samples than {options.batch_size} with --batch" if options.batch_size > 1 else ""
        raise HarnessError(
            f"{runtime} is not done with {name}: {failure}; give it more time with --timeout{help_too}"
        ) from failure
    except (ChildFailedError, UnsupportedError) as failure:
        raise HarnessError(f"{runtime} cannot run {name}: {failure}") from failure


def _unfused(
    artifact: ModelArtifact, runtime: str, profile: Profile, options: SessionOptions, folder: Path
) -> tuple[Sequence[UnfusedOperator], str | None]:
    """What is known of kernels in float, or why nothing is: a profile is worth having without."""
    if not can_be_explained(artifact, runtime):
        return (), None
    try:
        return find_unfused_operators(artifact, profile, options, folder), None
    except CrossrtError as error:
        return (), str(error)


def _steps(profile: Profile) -> list[tuple[str, str, str | None]]:
    return [(kernel.operator, kernel.dtype, kernel.delegate) for kernel in profile.kernels]


def kernel_sheet(explanation: Explanation) -> Sheet:
    """The kernels of a call, in order."""
    total = sum(kernel.duration_ns or 0.0 for kernel in explanation.profile.kernels)
    rows = tuple(_row(kernel, total) for kernel in explanation.profile.kernels)
    title = f"Kernels of one call, batch {explanation.batch_size}"
    columns, dropped = ("kernel", "input dtype", "kind", "delegate", "µs", "share %"), ("delegate", "input dtype")
    sheet = Sheet(title=title, columns=columns, rows=rows, dropped_first=dropped)
    return sheet if is_timed(explanation) else sheet.without(("µs", "share %"))


def is_timed(explanation: Explanation) -> bool:
    """Whether the runtime tells how long kernels take."""
    return any(kernel.duration_ns is not None for kernel in explanation.profile.kernels)


def _row(kernel: Kernel, total: float) -> tuple[Cell, ...]:
    is_known = kernel.duration_ns is not None and total > 0
    return (
        Cell(text=kernel.operator),
        Cell(text=kernel.dtype),
        Cell(text=kernel.kind, tone="good" if kernel.kind == "integer" else None),
        Cell(text=kernel.delegate or "-"),
        Cell(text=f"{(kernel.duration_ns or 0) / 1000:.1f}" if is_known else "-"),
        Cell(text=f"{100 * (kernel.duration_ns or 0) / total:.1f}" if is_known else "-"),
    )


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    """What the table comes to."""
    counts = explanation.counts
    told = []
    for kind in KINDS:
        share = explanation.share(kind)
        if counts[kind]:
            told.append(f"{kind} {counts[kind]}" + ("" if share is None else f" ({share:.0%} of kernel time)"))
    yield f"{counted(sum(counts.values()), 'kernel')}: {', '.join(told)}"
    if not is_timed(explanation):
        yield f"{explanation.runtime} has no profiler here: it tells which kernels run, not how long they take"
    if explanation.outside is not None:
        yield f"outside the kernels, under the profiler: {explanation.outside:.0%} of the call"
    for other in explanation.alike:
        yield f"{other} comes to the same kernels: only its file and its loading differ"
    yield from _left_in_float(explanation)
    yield from evidence_lines(explanation.evidence, explanation.batch_size, explanation.missing)


def _left_in_float(explanation: Explanation) -> Iterator[str]:
    """What computes in float though integers were asked for, and why as far as it is known."""
    how = explanation.artifact.quantization
    if how is None or how.scheme != "static":
        return
    if explanation.unexplained is not None:
        yield f"why kernels compute in float is not known: {explanation.unexplained}"
    elif can_be_explained(explanation.artifact, explanation.runtime):
        yield from unfused_lines(explanation.unfused, explanation.artifact.model)
    elif left := dict.fromkeys(kernel.operator for kernel in explanation.profile.kernels if kernel.kind == "float"):
        yield f"in float: {', '.join(left)}"
