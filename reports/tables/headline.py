"""What a report says in a few sentences, the most important first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import UNSET

from crossrt.core.metric import MetricDefinition
from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.statistics.paired import PairedChange, answered_alike, paired_change
from crossrt.reports.statistics.rounds import remedy, rounds_made
from crossrt.reports.tables.accuracy import change_from_reference
from crossrt.reports.tables.latency import named, scenario_text
from crossrt.reports.tables.lookup import Lookup, Scenario
from crossrt.reports.tables.order import Fastest, fastest_of
from crossrt.reports.text.cells import counted, times_as_fast, unit_of, written

ALPHA: Final = 0.005
"""Chance of error on each side of the interval of a change of answers, here as in every other table."""

MOST_NAMED: Final = 4
MOST_SAID: Final = 4
MOST_UNCERTAIN: Final = 10
"""An interval that reaches further than so many times the value says that nothing is known; tables show it likewise."""
"""Scenarios up to which each has a sentence."""


def headline(report: Report) -> list[str]:
    """Which case is fastest, what that costs in accuracy, and how many cases were measured."""
    look = Lookup(report)
    scenarios = list(dict.fromkeys(scenario_of(result) for result in report.results))
    if len(scenarios) > MOST_SAID:  # a sweep: its tables say the rest
        scenarios = [scenarios[0], scenarios[-1]]
    return [*(line for each in scenarios if (line := _fastest(look, each))), _counts(report)]


def rounds_text(report: Report) -> str:
    """`10 rounds of 12 blocks of calls`; where some were not made, `7 of 10 rounds of 12 blocks of calls`."""
    settings = report.run.settings
    kept = rounds_made(report)
    made = f"{kept} of " if kept < settings.rounds else ""
    return f"{made}{counted(settings.rounds, 'round')} of {counted(settings.blocks_per_round, 'block')} of calls"


def _counts(report: Report) -> str:
    count = Counter(result.status for result in report.results)
    said = f"{count['ok']} of {counted(len(report.results), 'case')} measured"
    missing = [f"{count[status]} {status}" for status in ("failed", "skipped") if count[status]]
    outcomes = [outcome.status for result in report.results for outcome in result.scenarios]
    if lost := outcomes.count("failed"):
        missing.append(f"but {lost} of {counted(len(outcomes), 'measurement')} in scenarios failed")
    interrupted = "; the run was interrupted: only the rounds that were finished count" * (
        report.run.status == "interrupted"
    )
    return f"{', '.join([said, *missing])}{interrupted}."


def _fastest(look: Lookup, scenario: Scenario) -> str | None:
    """`Batch 1, 1 thread: int8@tflite is the fastest, 14.0 µs a call: 2.28 times as fast as fp32@ort-cpu ...`."""
    results = [each for each in look.report.results if scenario_of(each) == scenario and each.status == "ok"]
    timed = [(metric.value, each) for each in results if (metric := look.metric(each, "latency_p50_ns"))]
    if not timed:
        return None
    ordered = [each for _, each in sorted(timed, key=lambda each: (each[0], each[1].case))]
    first = ordered[0]
    found = fastest_of(look, results)
    p50, definition = look.metric(first, "latency_p50_ns"), look.definitions.get("latency_p50_ns")
    latency = f"{written(p50.value, definition.format)} {unit_of(definition)} a call" if p50 and definition else "-"
    said = f"{scenario_text(scenario)}: {look.label(first)}"
    if found is None:
        return f"{said} takes {latency}."
    said += f" {'is the fastest' if found.is_told else 'has the lowest p50'}, {latency}"
    if told := "; ".join(_of_others(look, found, ordered)):
        said += f" ({told})"
    parts = [*_against_other(look, ordered), *_against_baseline(look, first, results)]
    return f"{said}; {', '.join(parts)}." if parts else f"{said}."


def _of_others(look: Lookup, found: Fastest, ordered: Sequence[Result]) -> Iterator[str]:
    """Which others may be as fast, and of which too little is known to say so."""
    if found.tied:
        names = named(look, [each.case for each in ordered if each.case in found.tied], MOST_NAMED)
        yield f"statistically indistinguishable from {names}"
    if not found.undecided:
        return
    names = "the others"
    if len(found.undecided) < len(ordered) - 1:
        names = named(look, [each.case for each in ordered if each.case in found.undecided], MOST_NAMED)
    rounds = rounds_made(look.report)
    few = f"{counted(rounds, 'round')} {'is' if rounds == 1 else 'are'} too few to tell it from {names}"
    yield f"undecided: {few}, {remedy(look.report)} would"


def _against_other(look: Lookup, ordered: Sequence[Result]) -> Iterator[str]:
    """Where the baseline is the faster one of two, how much slower the other is."""
    if len(ordered) != 2 or ordered[0].subject != look.baseline:
        return
    ratio = look.metric(ordered[1], "slowdown_p50")
    if ratio is not None:
        yield f"{times_as_fast(ratio.value)} as {look.label(ordered[1])}{ratio_interval(ratio)}"


def ratio_interval(ratio: Metric) -> str:
    """` [1.98, 2.05]`, to follow a ratio; empty where no interval is known."""
    if ratio.lower is UNSET or ratio.upper is UNSET:
        return ""
    if ratio.upper > MOST_UNCERTAIN * ratio.value or ratio.value > MOST_UNCERTAIN * ratio.lower:
        return f" (uncertain by more than {MOST_UNCERTAIN} times)"
    return f" [{ratio.lower:.2f}, {ratio.upper:.2f}]"


def _against_baseline(look: Lookup, first: Result, results: Sequence[Result]) -> Iterator[str]:
    baseline = next((each for each in results if each.subject == look.baseline), None)
    if baseline is None or baseline.case == first.case:
        return
    if ratio := look.metric(first, "speedup_p50"):
        yield f"{times_as_fast(ratio.value)} as {look.label(baseline)}{ratio_interval(ratio)}"
    yield from _answers(look, first, baseline)


def _answers(look: Lookup, first: Result, baseline: Result) -> Iterator[str]:
    """The change of the primary metric where the data has labels, else how many answers are the same."""
    definition, one, other = look.primary, first.evaluation, baseline.evaluation
    if one is None or other is None or look.report.data.is_random:
        return
    if look.hides_float(baseline):
        if definition and one.reference_values.get(definition.name) is not None:
            yield f"{definition.label} {change_from_reference(one, definition)} from {look.report.reference}"
        return
    if definition and (change := paired_change(other, one, definition, ALPHA)):
        yield f"{definition.label} {change_text(change, definition, other.values.get(definition.name))}"
    elif (alike := answered_alike(other, one)) is not None:
        yield f"the same answer to {100 * float(alike.mean()):.2f}% of samples"


def change_text(change: PairedChange, definition: MetricDefinition, baseline: float | None) -> str:
    """`+0.02 pp [-0.10, +0.14]`: shares in percentage points, numbers relative to the baseline's value."""
    factor, unit = 100.0, " pp"
    if definition.unit != "share":
        factor, unit = (100.0 / abs(baseline), "%") if baseline else (1.0, "")
    value, lower, upper = (factor * each for each in (change.change, change.lower, change.upper))
    return f"{value:+z.2f}{unit} [{lower:+z.2f}, {upper:+z.2f}]"
