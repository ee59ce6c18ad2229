"""What a report says in a few sentences, the most important first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import UNSET

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.latency import fastest_cases
from crossrt.reports.tables.lookup import Lookup, Scenario
from crossrt.reports.text.cells import counted, microseconds
from crossrt.reports.verdicts.comparison.answers import flips

ALPHA = 0.025
MOST_NAMED = 4


def headline(report: Report) -> list[str]:
    """Which case is fastest, what that costs in accuracy, and how many cases were measured."""
    look = Lookup(report)
    scenarios = dict.fromkeys(scenario_of(result) for result in report.results)
    return [*(line for each in scenarios if (line := _fastest(look, each))), _counts(report)]


def _counts(report: Report) -> str:
    count = Counter(result.status for result in report.results)
    said = f"{count['ok']} of {counted(len(report.results), 'case')} measured"
    missing = [f"{count[status]} {status}" for status in ("failed", "skipped") if count[status]]
    interrupted = "; the run was interrupted: only the rounds that were finished count" * (
        report.run.status == "interrupted"
    )
    return f"{', '.join([said, *missing])}{interrupted}."


def _fastest(look: Lookup, scenario: Scenario) -> str | None:
    """`Batch 1: int8@tflite is the fastest, 14.0 µs: 2.28 times as fast as fp32@ort-cpu, top-1 +0.02 points`."""
    results = [each for each in look.report.results if scenario_of(each) == scenario and each.status == "ok"]
    timed = [(metric.value, each) for each in results if (metric := look.metric(each, "latency_p50_ns"))]
    if not timed:
        return None
    first = min(timed, key=lambda each: (each[0], each[1].case))[1]
    tied = fastest_cases(look, results, look.noise(scenario)) - {first.case}
    names = [look.label_of(each.case) for _, each in sorted(timed, key=lambda each: each[0]) if each.case in tied]
    batch_size, threads, io = scenario
    where = f"Batch {batch_size}" + (f", {threads} threads" if threads > 1 else "") + (", native" * (io == "native"))
    p50 = look.metric(first, "latency_p50_ns")
    said = f"{where}: {look.label(first)} is the fastest" + (f", {microseconds(p50)} µs a call" if p50 else "")
    if names:
        said += f" (not told from {_listed(names)})"
    return said + _against_baseline(look, first, results) + "."


def _against_baseline(look: Lookup, first: Result, results: Sequence[Result]) -> str:
    name = look.report.run.settings.baseline
    baseline = next((each for each in results if each.case.partition("/")[0] == name), None)
    if baseline is None or baseline.case == first.case:
        return ""
    parts = []
    if ratio := look.metric(first, "speedup_p50"):
        interval = "" if ratio.lower is UNSET or ratio.upper is UNSET else f" [{ratio.lower:.2f}, {ratio.upper:.2f}]"
        parts.append(f"{ratio.value:.2f}{interval} times as fast as {look.label(baseline)}")
    if first.accuracy and baseline.accuracy and (change := flips(baseline.accuracy, first.accuracy, ALPHA)):
        parts.append(f"top-1 {100 * change.change:+.2f} points [{100 * change.lower:+.2f}, {100 * change.upper:+.2f}]")
    return f"; {', '.join(parts)}" if parts else ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
