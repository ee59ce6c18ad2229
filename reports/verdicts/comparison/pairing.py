"""Which case of one report is which case of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.text.patterns import case_matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One case in both reports; a renamed one was recognised by its file and scenario."""

    baseline: Result
    current: Result

    is_renamed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """All cases of two reports."""

    pairs: tuple[Pair, ...]
    vanished: tuple[Result, ...]
    new: tuple[Result, ...]


def pair_cases(baseline: Report, current: Report, only: Sequence[str] = (), *, is_duel: bool = False) -> Pairing:
    """Pairs by case id, then what is left by the same file on the same runtime in the same scenario.

    The two sides of an A/B comparison are a pair whatever they are called.
    """
    before, after = _selected(baseline, only), _selected(current, only)
    if is_duel and len(before) == len(after) == 1:
        pair = Pair(baseline=next(iter(before.values())), current=next(iter(after.values())))
        return Pairing(pairs=(pair,), vanished=(), new=())
    pairs = [Pair(baseline=before[case], current=after[case]) for case in before if case in after]
    vanished = [result for case, result in before.items() if case not in after]
    new = [result for case, result in after.items() if case not in before]
    files = [{artifact.id: artifact.sha256 for artifact in report.artifacts} for report in (baseline, current)]
    unclaimed = {_identity(result, files[1]): result for result in new}
    renamed = [
        Pair(baseline=result, current=found, is_renamed=True)
        for result in vanished
        if (found := unclaimed.pop(_identity(result, files[0]), None)) is not None
    ]
    old, claimed = {pair.baseline.case for pair in renamed}, {pair.current.case for pair in renamed}
    return Pairing(
        pairs=(*pairs, *renamed),
        vanished=tuple(result for result in vanished if result.case not in old),
        new=tuple(result for result in new if result.case not in claimed),
    )


def _selected(report: Report, only: Sequence[str]) -> dict[str, Result]:
    return {
        result.case: result
        for result in report.results
        if not only or any(case_matches(pattern, result) for pattern in only)
    }


def _identity(result: Result, files: dict[str, str]) -> tuple[object, ...]:
    file = files.get(result.artifact, result.artifact)
    return file, result.runtime, result.batch_size, result.threads, result.io
