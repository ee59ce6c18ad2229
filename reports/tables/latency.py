"""The table of steady-state latencies of one scenario, with the lines that say how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET

from crossrt.reports.schema.records import Metric, Result
from crossrt.reports.statistics.estimates import Estimate
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.statistics.noise import Noise, floors_of
from crossrt.reports.tables.lookup import ABSENT, Lookup, Scenario
from crossrt.reports.text.cells import (
    Cell,
    Sheet,
    Tone,
    counted,
    microseconds,
    microseconds_with_interval,
    ratio_with_interval,
)


def latency_sheet(look: Lookup, scenario: Scenario) -> Sheet:
    """Steady state of one scenario."""
    results = [result for result in look.report.results if scenario_of(result) == scenario]
    best = dict.fromkeys(("latency_p50_ns", "throughput_per_s"), fastest_cases(look, results, look.noise(scenario)))
    rows = [
        (
            Cell(text=look.label(result)),
            look.cell(result, "latency_p50_ns", microseconds_with_interval, best),
            look.cell(result, "latency_p90_ns", microseconds, best),
            look.cell(result, "latency_p99_ns", microseconds, best),
            look.cell(result, "throughput_per_s", lambda m: f"{m.value:,.0f}", best),
            _speedup(look, result),
        )
        if result.status == "ok"
        else (Cell(text=look.label(result)), Cell(text=result.status), *[Cell(text=ABSENT)] * 4)
        for result in results
    ]
    batch_size, threads, _ = scenario
    title = f"Batch {batch_size}, {counted(threads, 'thread')}: latency of one call in µs"
    columns = ("case", "p50", "p90", "p99", "digits/s", "speed-up x")
    return Sheet(title=title, columns=columns, rows=tuple(rows), footer=tuple(noise_lines(look, scenario)))


def _speedup(look: Lookup, result: Result) -> Cell:
    if result.case.partition("/")[0] == look.report.run.settings.baseline:
        return Cell(text="baseline")
    metric = look.metric(result, "speedup_p50")
    if metric is None:
        return Cell(text=ABSENT)
    return Cell(text=ratio_with_interval(metric), tone=speedup_tone(metric, look.noise(scenario_of(result))))


def speedup_tone(metric: Metric, noise: Noise | None) -> Tone | None:
    """Colours a speed-up that its interval and the noise of the run both tell from 1."""
    if metric.lower is UNSET or metric.upper is UNSET:
        return None
    smallest = noise.smallest_difference if noise else 0.0
    if metric.lower > 1 and metric.value > 1 + smallest:
        return "good"
    return "bad" if metric.upper < 1 and metric.value < 1 / (1 + smallest) else None


def noise_lines(look: Lookup, scenario: Scenario) -> Iterator[str]:
    """What the run's own controls say of the table above."""
    noise = look.noise(scenario)
    if noise is not None:
        smallest = noise.smallest_difference
        yield (
            f"noise: {look.label_of(noise.case)} timed twice in the same rounds differs by"
            f" {100 * math.expm1(noise.ratio.mean):+.1f}% ±{100 * math.expm1(noise.ratio.half):.1f}%; differences"
            f" below {100 * smallest:.1f}% could be missed and are not marked"
        )
    floors = floors_of(look.report, scenario)
    if floors:
        told = "; ".join(f"{runtime} {_floor(look, runtime, floors, scenario)}" for runtime in floors)
        yield f"overhead floor (a model that only copies its input, beside the runtime's fastest case): {told}"


def _floor(look: Lookup, runtime: str, floors: Mapping[str, Estimate], scenario: Scenario) -> str:
    """`5.1 µs, 15% of fp32@ort-cpu`: the share of the runtime's fastest case."""
    text = f"{floors[runtime].value / 1000:.1f} µs"
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
    return f"{text}, {floors[runtime].value / p50[fastest]:.0%} of {look.label_of(fastest)}"


def fastest_cases(look: Lookup, results: Sequence[Result], noise: Noise | None) -> frozenset[str]:
    """The fastest case of a scenario, and those that shared rounds or the run's noise do not tell from it."""
    found = [metric for result in results if (metric := look.metric(result, "slowdown_p50"))]
    if len(found) < 2:
        return frozenset()
    tied = 1 + (noise.smallest_difference if noise else 0.0)
    return frozenset(m.case for m in found if m.value <= tied or (m.lower is not UNSET and m.lower <= 1))
