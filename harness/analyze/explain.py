"""Why a variant is as fast as it is: which kernels its runtime runs, on what, for how long, and why not on integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from crossrt.analysis.explanation.record import LostFusion
from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.errors import ExportError
from crossrt.exporters.variants import Variant, shipped_recipes, variant_of
from crossrt.harness.analyze.lost_fusions import can_be_explained, find_lost_fusions, lost_lines
from crossrt.harness.build.exported import read_folder
from crossrt.harness.build.variant_files import known_variants
from crossrt.harness.cli.progress import Display
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.harness.process.profiling import profile_file
from crossrt.reports.text.cells import Cell, Sheet, counted, listed
from crossrt.runtimes.kernels import Kernel, KernelKind, Profile

CALLS: Final = 200
KINDS: Final[Sequence[KernelKind]] = get_args(KernelKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One variant on one runtime.

    Attributes:
        artifact: The file.
        runtime: Its name.
        batch_size: Digits per call.
        profile: The kernels of a call.
        twins: Other variants that come to the same kernels.
        lost: Kernels that are no integer kernels, and why.
        unexplained: Why that is not known, where it could be.
    """

    artifact: ModelArtifact
    runtime: str
    batch_size: int
    profile: Profile
    twins: Sequence[str]
    lost: Sequence[LostFusion] = ()
    unexplained: str | None = None

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


def variants_for(case: str, runtime: RuntimeInfo, folder: Path | None, recipes: Path | None) -> Sequence[Variant]:
    """What to build for an explanation: the named variant among those of the main job, or of a file of recipes.

    Args:
        case: `variant@runtime`.
        runtime: That runtime.
        folder: Exported artifacts, of which nothing has to be built.
        recipes: A file of recipes.

    Raises:
        HarnessError: There is no such case.
    """
    name = case.partition("@")[0]
    variants: list[Variant] = [] if folder else [*known_variants(recipes)]
    if folder is None and recipes is None:
        others = (variant_of(each) for each in shipped_recipes() if each.name == name)
        variants += [each for each in others if each not in variants]
    files = read_folder(folder).artifacts.values() if folder else ()
    known = [(each.variant, each.format) for each in files] + [(each.name, each.format) for each in variants]
    names = [each for each, form in known if form in runtime.formats]
    if name not in names:
        there = listed([f"{each}@{runtime.name}" for each in names])
        raise HarnessError(f"there is no case {case!r}; there are: {there}")
    return [each for each in variants if each.format in runtime.formats]


def run_explain(
    artifact: ModelArtifact, others: Sequence[ModelArtifact], runtime: str, scenario: Scenario, display: Display
) -> Explanation:
    """Profiles a file, and looks which others come to the same kernels.

    Raises:
        HarnessError: The runtime cannot tell what it runs.
        ChildFailedError: A worker crashed, hung, or its model gave up.
    """
    display.phase("profiling", 1 + len(others))
    profile = profile_file(artifact, runtime, scenario, CALLS, WorkerLimits())
    if profile is None:
        raise HarnessError(f"{runtime} cannot tell which kernels it runs")
    display.step()
    twins = []
    for other in others:
        found = profile_file(other, runtime, scenario, 1, WorkerLimits())
        if found is not None and _steps(found) == _steps(profile):
            twins.append(other.variant)
        display.step()
    lost, unexplained = _lost(artifact, runtime, profile, scenario.batch_size)
    return Explanation(
        artifact=artifact,
        runtime=runtime,
        batch_size=scenario.batch_size,
        profile=profile,
        twins=twins,
        lost=lost,
        unexplained=unexplained,
    )


def _lost(
    artifact: ModelArtifact, runtime: str, profile: Profile, batch_size: int
) -> tuple[Sequence[LostFusion], str | None]:
    """What is known of kernels in float, or why nothing is: a profile is worth having without."""
    if not can_be_explained(artifact, runtime):
        return (), None
    try:
        return find_lost_fusions(artifact, profile, batch_size), None
    except (HarnessError, ExportError, ChildFailedError) as error:
        return (), str(error)


def _steps(profile: Profile) -> list[tuple[str, str, str | None]]:
    return [(kernel.operator, kernel.dtype, kernel.delegate) for kernel in profile.kernels]


def kernel_sheet(explanation: Explanation) -> Sheet:
    """The kernels of a call, in order."""
    total = sum(kernel.duration_ns or 0.0 for kernel in explanation.profile.kernels)
    rows = tuple(_row(kernel, total) for kernel in explanation.profile.kernels)
    title = f"Kernels of one call, batch {explanation.batch_size}"
    return Sheet(title=title, columns=("kernel", "works on", "kind", "run by", "µs", "share %"), rows=rows)


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
    if explanation.outside is not None:
        yield f"outside the kernels, under the profiler: {explanation.outside:.0%} of the call"
    for twin in explanation.twins:
        yield f"{twin} comes to the same kernels: only its file and its loading differ"
    yield from _left_in_float(explanation)


def _left_in_float(explanation: Explanation) -> Iterator[str]:
    """What computes in float though its recipe wanted integers, and why as far as it is known."""
    how = explanation.artifact.quantization
    if how is None or how.scheme != "static":
        return
    if explanation.unexplained is not None:
        yield f"why kernels compute in float is not known: {explanation.unexplained}"
    elif can_be_explained(explanation.artifact, explanation.runtime):
        yield from lost_lines(explanation.lost, explanation.artifact.model)
    elif left := dict.fromkeys(kernel.operator for kernel in explanation.profile.kernels if kernel.kind == "float"):
        yield f"in float: {', '.join(left)}"
