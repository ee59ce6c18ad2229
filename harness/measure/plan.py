"""The cases of a run: every artifact on every runtime that reads its format, in every scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crossrt.core.artifact import ModelFormat, Role
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.case import Case, Scenario, select
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.probe import RuntimeInfo, not_read
from crossrt.reports.text.cells import listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model file that exists or could be built."""

    model: str
    variant: str
    format: ModelFormat
    role: Role

    @property
    def id(self) -> str:
        """The id of the artifact that it is or would be."""
        return f"{self.model}.{self.variant}.{self.format}"


def plan_cases(candidates: Sequence[Candidate], runtimes: Sequence[RuntimeInfo], settings: BenchSettings) -> list[Case]:
    """All selected cases: by threads, then by batch size, then by runtime, then in the order of the variants.

    Raises:
        HarnessError: The patterns select nothing and are needed, or no runtime reads what there is.
    """
    cases = [
        case_for(candidate, runtime, Scenario(batch_size=size, threads=threads, io=settings.io), candidates)
        for threads in settings.thread_counts
        for size in settings.batch_sizes
        for runtime in runtimes
        for candidate in candidates
        if candidate.format in runtime.formats
    ]
    chosen = select(cases, settings.only)
    if not cases:
        raise HarnessError(
            not_read([each.format for each in candidates], {each.name: each.formats for each in runtimes})
        )
    if not chosen and not settings.needs_only:
        return cases
    if not chosen:
        raise _selects_nothing(settings.only, cases)
    return chosen


def check_patterns(
    candidates: Sequence[Candidate],
    runtimes: Sequence[RuntimeInfo],
    settings: BenchSettings,
    left_out: Sequence[Candidate] = (),
) -> None:
    """A pattern beside others that selects nothing is a mistake, which nobody sees in a table of what others select.

    Args:
        candidates: Every file that there is or could be.
        runtimes: Those of the run.
        settings: Its patterns, and its batch sizes.
        left_out: Files that the run leaves out and says so; a pattern that means one of them is none without a case.

    Raises:
        HarnessError: A pattern selects nothing, where patterns are needed.
    """
    if not settings.needs_only:
        return
    cases = plan_cases(candidates, runtimes, replace(settings, only=()))
    known = [*cases, *(plan_cases([*candidates, *left_out], runtimes, replace(settings, only=())) if left_out else ())]
    if idle := [pattern for pattern in settings.only if not select(known, [pattern])]:
        raise _selects_nothing(idle, cases)


def _selects_nothing(patterns: Sequence[str], cases: Sequence[Case]) -> HarnessError:
    known = listed(list(dict.fromkeys(f"{case.label}@{case.runtime}" for case in cases)))
    return HarnessError(f"--only {' '.join(patterns)} selects no case; available: {known}")


def case_for(candidate: Candidate, runtime: RuntimeInfo, scenario: Scenario, candidates: Sequence[Candidate]) -> Case:
    """A file on a runtime; its id says the format where the runtime reads the variant in another one too."""
    readable = Counter((each.model, each.variant) for each in candidates if each.format in runtime.formats)
    return Case(
        model=candidate.model,
        variant=candidate.variant,
        format=candidate.format,
        runtime=runtime.name,
        scenario=scenario,
        names_format=readable[candidate.model, candidate.variant] > 1,
        options=tuple(runtime.options.items()),
        is_timed=runtime.is_timed,
        python=runtime.python,
    )


def choose_baseline(cases: Sequence[Case], candidates: Sequence[Candidate], asked: str | None) -> str:
    """The subject that speed-ups refer to.

    Args:
        cases: The planned cases.
        candidates: Their files.
        asked: What the user asked for: `<model>.<variant>@<runtime>`, that without the model, or a whole case id; None
            for the first float file.

    Raises:
        HarnessError: What was asked for is not among the cases.
    """
    subjects = list(dict.fromkeys(case.subject for case in cases))
    if asked is None:
        floats = [each.id for each in candidates if each.role == "float"]
        cases_of = {case.artifact_id: case.subject for case in reversed(cases)}
        return next((cases_of[each] for each in floats if each in cases_of), subjects[0])
    name = asked.partition("/")[0]
    for case in cases:
        if name in (case.subject, f"{case.label}@{case.runtime}"):
            return case.subject
    raise HarnessError(f"--baseline {asked} is not among the cases of this run; available: {listed(subjects)}")
