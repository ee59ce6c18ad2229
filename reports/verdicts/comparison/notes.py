"""What is said beside the findings of a comparison: what was not judged, what to know, how times were judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.chance import near_chance
from crossrt.reports.statistics.definitions import QUIET
from crossrt.reports.statistics.intervals import trimmed_mean
from crossrt.reports.statistics.rounds import remedy
from crossrt.reports.text.cells import counted, listed
from crossrt.reports.text.labels import runtime_text
from crossrt.reports.text.patterns import case_matches
from crossrt.reports.verdicts.comparison.answers import answers_by_instructions, differing_unknown, samples_note
from crossrt.reports.verdicts.comparison.basis import ALPHA, Basis
from crossrt.reports.verdicts.comparison.kernels import has_other_layers
from crossrt.reports.verdicts.comparison.times import FEWEST_RUNS, comparable_runs

QUIET_NOTE: Final = (
    "p50: values are those that bench and show print; the change is that of the calls that nothing disturbed, so it may"
    " differ from theirs"
)
RELATIVE: Final = "changes of times are relative to it"
"""How a note ends where times were judged by their ratio to the reference workload."""

FEWEST_ROUNDS: Final = 6
"""Rounds below which a reader is told that little can be seen."""


def cautions(basis: Basis) -> Iterator[str]:
    """What speaks against believing the comparison, as the reports themselves say."""
    for name, report in (("baseline", basis.baseline), ("current report", basis.current)):
        yield from (f"{name}: {caution}" for caution in (*report.cautions, *report.warnings))
        if not report.cautions and not report.data.is_random and (reason := near_chance(report)):
            yield f"{name}: {reason}"
    if basis.current.data.is_random:
        yield "inputs were random: nothing about accuracy is compared but whether answers are the same"


def incomparable(basis: Basis) -> Iterator[str]:
    """Why something is not judged: the fields that differ."""
    if basis.differences.times:
        yield f"times and memory are not judged: the reports differ in {_listed(basis.differences.times)}"
    if basis.differences.accuracy:
        yield f"accuracy is not judged: the reports differ in {_listed(basis.differences.accuracy)}"
    else:
        yield from _other_instructions(basis)
    if not basis.pairing.pairs:
        yield "no case is in both reports"


def _other_instructions(basis: Basis) -> Iterator[str]:
    names = [basis.names[pair.current.case] for pair in basis.ok if answers_by_instructions(basis, pair)]
    if not names:
        return
    text = (
        f"accuracy of {listed(names)} is not judged: the same file answers otherwise on a processor with other"
        " instruction sets"
    )
    with_vnni = [any("vnni" in flag for flag in each.environment.cpu_flags) for each in (basis.baseline, basis.current)]
    if with_vnni[0] != with_vnni[1]:
        text += "; without VNNI sums of two products of 8-bit numbers may saturate"
    yield text


def notes(basis: Basis) -> Iterator[str]:
    """What a reader must know beside the findings."""
    yield from notes_on_reports(basis)
    unknown = [basis.names[pair.current.case] for pair in basis.ok if differing_unknown(basis, pair)]
    if unknown:
        yield (
            f"outputs of {listed(unknown)} are not bit-identical with the baseline's; the reports do not hold what"
            " would tell by how much"
        )
    if (few := samples_note(basis)) is not None:
        yield few
    other = [basis.names[pair.current.case] for pair in basis.ok if has_other_layers(basis, pair)]
    if other:
        yield f"kernels of {listed(other)} are not judged: another model, which runs another number of them"
    yield from _on_times(basis)


def notes_on_reports(basis: Basis) -> Iterator[str]:
    """What to know of two reports, whatever is compared."""
    for pair in basis.pairing.pairs:
        if pair.is_renamed:
            yield f"{pair.baseline.case} is now called {pair.current.case}: the same file in the same scenario"
    absent = [basis.names[result.case] for result in basis.pairing.vanished if result.status != "ok"]
    if absent:
        yield f"not measured in the baseline either, and not in the current report: {listed(absent)}"
    if basis.pairing.new:
        yield f"new, and not judged: {', '.join(result.case for result in basis.pairing.new)}"
    if basis.differences.noted:
        yield f"the reports differ in {_listed(basis.differences.noted)}"
    for report, name in ((basis.baseline, "baseline"), (basis.current, "current report")):
        if report.run.status == "interrupted":
            yield f"the {name} was interrupted: it has fewer rounds"
    if basis.question.is_paired and not basis.shares_rounds:
        yield "the reports share no rounds, so --paired changes nothing"
    results = [pair.current for pair in basis.pairing.pairs]
    for rule in basis.question.rules:
        if rule.cases != "*" and not any(case_matches(rule.cases, result) for result in results):
            yield f"the margin for {rule.cases!r} fits no case"


def _on_times(basis: Basis) -> Iterator[str]:
    if basis.differences.times or not basis.ok:
        return
    yield from _on_few_rounds(basis)
    if basis.shares_rounds:
        yield "the reports share their rounds: times are compared within them"
    elif (scale := basis.scales.get(QUIET)) is not None and scale.is_relative:
        baseline, current = (trimmed_mean(list(logs.values())) for logs in basis.references)
        yield workload_note(math.exp(current - baseline), "than in the baseline")
    if any(definition.name == QUIET for _, definition, _ in basis.judged_times()):
        yield QUIET_NOTE
    known = len(comparable_runs(basis.question.history, basis.baseline, basis.current))
    if basis.question.history and known < FEWEST_RUNS:
        yield f"the history holds {known} other comparable runs, {FEWEST_RUNS} are needed: it was not used"


def _on_few_rounds(basis: Basis) -> Iterator[str]:
    """Each report that has too few rounds, and what would have given more."""
    for name, report, results in (
        ("baseline", basis.baseline, [pair.baseline for pair in basis.ok]),
        ("current report", basis.current, [pair.current for pair in basis.ok]),
    ):
        rounds = min(len(result.rounds) for result in results)
        if rounds < FEWEST_ROUNDS:
            yield few_rounds(name, rounds, report)


def few_rounds(name: str, rounds: int, report: Report) -> str:
    """That a report has too few rounds to see much, and what would give more.

    Args:
        name: The report, such as `current report`.
        rounds: Of the case that has the fewest.
        report: The report itself, which says why there are no more.
    """
    return (
        f"the {name} has {counted(rounds, 'round')}: too few to see much; {FEWEST_ROUNDS} or more, for which it takes"
        f" {remedy(report)}, tell more"
    )


def workload_note(ratio: float, than: str) -> str:
    """How fast the machine was today.

    Args:
        ratio: Time of the reference workload now over then.
        than: Then, such as `than in the baseline`.
    """
    change = f"{abs(ratio - 1):.1%}"
    said = f"took {change} {'more' if ratio > 1 else 'less'} time {than}"
    if float(change[:-1]) == 0:
        said = f"took as long {than.replace('than', 'as', 1)}"
    return f"the reference workload, the same in every run, {said}: {RELATIVE}"


def method(basis: Basis) -> Iterator[str]:
    """How times are judged."""
    judged = len(basis.judged_times())
    if not judged:
        return
    yield (
        "changes of p50: in each round the 10th percentile over blocks of their median call, over rounds the mean"
        " without the slowest 40% and the fastest 10%"
    )
    for name, scale in basis.scales.items():
        subject = "ratio to the reference workload" if scale.is_relative else "time itself"
        yield f"{name}: {subject} ({scale.reason}), allowing {scale.between:.1%} of spread between runs"
    yield f"intervals hold for all {judged} times at once, with a chance of error of {ALPHA:.0%} on each side"


def subject(report: Report) -> str:
    """A run in words: its id, a single case, its runtimes."""
    used = dict.fromkeys((result.runtime, result.runtime_version) for result in report.results)
    runtimes = [runtime_text(name, version) for name, version in used if version is not None]
    case = f", {report.results[0].case}" if len(report.results) == 1 else ""
    return f"run {report.run.id}{case}, {', '.join(runtimes) or 'no runtime'}"


def _listed(differences: Sequence[object]) -> str:
    return "; ".join(map(str, differences))
