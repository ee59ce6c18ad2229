"""Which cases there are: every artifact on every runtime that reads its format, in every scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossrt.core.artifact import ModelFormat
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.case import Case, Scenario, select
from crossrt.harness.measure.settings import BASELINE_VARIANT, BenchSettings
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.reports.text.cells import listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model file that exists or could be built."""

    model: str
    variant: str
    format: ModelFormat


def plan_cases(candidates: Sequence[Candidate], runtimes: Sequence[RuntimeInfo], settings: BenchSettings) -> list[Case]:
    """All selected cases: by batch size, then by runtime, then in the order of the variants.

    Raises:
        HarnessError: The patterns select nothing.
    """
    cases = [
        Case(
            model=candidate.model,
            variant=candidate.variant,
            format=candidate.format,
            runtime=runtime.name,
            scenario=Scenario(batch_size=batch_size, threads=settings.threads, io=settings.io),
        )
        for batch_size in settings.batch_sizes
        for runtime in runtimes
        for candidate in candidates
        if candidate.format in runtime.formats
    ]
    chosen = select(cases, settings.only)
    if not chosen:
        known = listed(list(dict.fromkeys(f"{case.variant}@{case.runtime}" for case in cases))) or "none"
        raise HarnessError(f"--only {' '.join(settings.only)} selects no case; there are: {known}")
    return chosen


def choose_baseline(cases: Sequence[Case], wanted: str | None) -> str:
    """The `<model>.<variant>@<runtime>` that speed-ups refer to.

    Args:
        cases: The planned cases.
        wanted: What the user asked for: that, or without the model, or a whole case id; None for the first float32.

    Raises:
        HarnessError: What was asked for is not among the cases.
    """
    subjects = list(dict.fromkeys(case.subject for case in cases))
    if wanted is None:
        floats = [case.subject for case in cases if case.variant == BASELINE_VARIANT]
        return (floats or subjects)[0]
    name = wanted.partition("/")[0]
    for subject in subjects:
        if name in (subject, subject.partition(".")[2]):
            return subject
    raise HarnessError(f"--baseline {wanted} is not among the cases of this run: {listed(subjects)}")
