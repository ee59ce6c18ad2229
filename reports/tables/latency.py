"""The table of steady-state latencies of one scenario, with the lines that say how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import UNSET

from crossrt.reports.schema.records import Metric, Result
from crossrt.reports.statistics.estimates import Estimate
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.statistics.noise import Noise, call_overheads
from crossrt.reports.tables.lookup import ABSENT, Lookup, Scenario
from crossrt.reports.tables.order import fastest_of
from crossrt.reports.text.cells import Cell, Sheet, Tone, counted, listed

_METRICS: Final = ("latency_p50_ns", "latency_p90_ns", "latency_p99_ns", "throughput_per_s", "speedup_p50")
_DROPPED_FIRST: Final = ("latency_p99_ns", "latency_p90_ns", "throughput_per_s", "speedup_p50")


def latency_sheet(look: Lookup, scenario: Scenario) -> Sheet:
    """Steady state of one scenario."""
    results = [result for result in look.report.results if scenario_of(result) == scenario]
    fastest = fastest_of(look, results)
    best = fastest.marked if fastest else frozenset[str]()
    rows = [
        (
            Cell(text=look.label(result)),
            look.cell(result, "latency_p50_ns", best, interval=True),
            look.cell(result, "latency_p90_ns"),
            look.cell(result, "latency_p99_ns"),
            look.cell(result, "throughput_per_s", best),
            _speedup(look, result),
        )
        if result.status == "ok"
        else (Cell(text=look.label(result)), Cell(text=_state(result)), *[Cell(text=ABSENT)] * 4)
        for result in results
    ]
    return Sheet(
        title=f"{scenario_text(scenario)}: latency of one call",
        columns=("case", *(look.title(name) for name in _METRICS)),
        rows=tuple(rows),
        footer=tuple(noise_lines(look, scenario)),
        dropped_first=tuple(look.title(name) for name in _DROPPED_FIRST),
    )


def _state(result: Result) -> str:
    """What stands in place of the first time; what was only asked for answers is neither skipped nor failed."""
    return "not timed" if result.status == "skipped" and result.evaluation is not None else result.status


def scenario_text(scenario: Scenario) -> str:
    """`Batch 8, 2 threads`."""
    batch_size, threads, io = scenario
    return f"Batch {batch_size}, {counted(threads, 'thread')}" + ", native I/O" * (io == "native")


def _speedup(look: Lookup, result: Result) -> Cell:
    if result.subject == look.baseline:
        return Cell(text="baseline")
    metric = look.metric(result, "speedup_p50")
    if metric is None:
        return Cell(text=ABSENT)
    return Cell(text=look.text(metric, interval=True), tone=speedup_tone(metric, look.noise(scenario_of(result))))


def speedup_tone(metric: Metric, noise: Noise | None) -> Tone | None:
    """Colours a speed-up that its interval and the noise of the run both distinguish from 1."""
    if metric.lower is UNSET or metric.upper is UNSET:
        return None
    smallest = noise.smallest_difference if noise else 0.0
    if metric.lower > 1 and metric.value > 1 + smallest:
        return "good"
    return "bad" if metric.upper < 1 and metric.value < 1 / (1 + smallest) else None


def noise_lines(look: Lookup, scenario: Scenario) -> Iterator[str]:
    """What the run's own controls say of the table above."""
    noise = look.noise(scenario)
    if noise is not None and (smallest := noise.smallest_difference) > 1:
        yield (
            f"noise: too few rounds or too busy a machine: what takes twice as long as {look.label_of(noise.case)} may"
            " not be marked"
        )
    elif noise is not None:
        yield (
            f"noise: the A/A replicate of {look.label_of(noise.case)} differs by"
            f" {100 * math.expm1(noise.ratio.mean):+z.1f}% ±{100 * math.expm1(noise.ratio.half):.1f}%; differences"
            f" below {100 * smallest:.1f}% may be missed and are not marked"
        )
    overheads = call_overheads(look.report, scenario)
    if overheads:
        told = [f"{runtime} {_overhead(look, runtime, overheads, scenario)}" for runtime in overheads]
        yield f"call overhead (no-op model): {'; '.join(told)}"


def _overhead(look: Lookup, runtime: str, overheads: Mapping[str, Estimate], scenario: Scenario) -> str:
    """`5.1 µs, 15% of fp32@ort-cpu`: the share of the runtime's fastest case."""
    text = f"{overheads[runtime].value / 1000:.1f} µs"
    p50 = {
        result.case: metric.value
        for result in look.report.results
        if result.runtime == runtime
        and scenario_of(result) == scenario
        and (metric := look.metric(result, "latency_p50_ns"))
    }
    if not p50:
        return text
    fastest = min(p50, key=p50.__getitem__)
    return f"{text}, {overheads[runtime].value / p50[fastest]:.0%} of {look.label_of(fastest)}"


def named(look: Lookup, cases: Sequence[str], most: int) -> str:
    """Labels of some cases in a line."""
    return listed([look.label_of(case) for case in cases], most)
