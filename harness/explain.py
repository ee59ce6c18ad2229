"""Why a variant is as fast as it is: which kernels its runtime runs, on what, for how long, and why not on integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from exporters.artifact import ModelArtifact, Quantization
from exporters.variants import main_variants
from harness.case import Scenario
from harness.errors import HarnessError
from harness.exported import read_folder
from harness.probe import RuntimeInfo
from harness.profiling import profile_file
from harness.progress import Display
from harness.settings import WorkerLimits
from reports.cells import Cell, Sheet, counted
from runtimes.kernels import Kernel, KernelKind, Profile

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
    """

    artifact: ModelArtifact
    runtime: str
    batch_size: int
    profile: Profile
    twins: Sequence[str]

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


def check_case(case: str, runtime: RuntimeInfo, folder: Path | None) -> None:
    """Raises `HarnessError` where there is no such `variant@runtime`, before anything is built."""
    if folder is not None:
        known = [(each.variant, each.format) for each in read_folder(folder).artifacts.values()]
    else:
        known = [(each.name, each.format) for each in main_variants()]
    names = [name for name, form in known if form in runtime.formats]
    if case.partition("@")[0] not in names:
        there = ", ".join(f"{name}@{runtime.name}" for name in names)
        raise HarnessError(f"there is no case {case!r}; there are: {there}")


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
    return Explanation(artifact=artifact, runtime=runtime, batch_size=scenario.batch_size, profile=profile, twins=twins)


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
    yield from _reasons(explanation)


def _reasons(explanation: Explanation) -> Iterator[str]:
    """Why arithmetic is left in float, where the recipe wanted integers."""
    how = explanation.artifact.quantization
    left = [kernel for kernel in explanation.profile.kernels if kernel.kind == "float"]
    if how is None or how.scheme != "static" or not left:
        return
    names = ", ".join(dict.fromkeys(kernel.operator for kernel in left))
    yield f"left in float: {names}. {_reason(how)}"


def _reason(how: Quantization) -> str:
    recipe = how.recipe or {}
    wide = [each for each in (how.activation_type, how.weight_type) if each and each.endswith(("16", "4"))]
    if how.representation == "qdq" and wide:
        return f"The runtime has no integer kernels for {' and '.join(wide)}: it converts, and computes in float."
    if recipe.get("nodes_to_exclude") or recipe.get("op_types_to_quantize"):
        return "The recipe leaves nodes or operator types in float."
    if how.representation == "qdq":
        return (
            "QDQ operators fuse to integer ones only where each input comes from a DequantizeLinear and the output goes"
            " to one QuantizeLinear alone: several readers, or an operator without an integer kernel, prevent it."
        )
    return "The quantizer found no integer operator for it."
