"""What asv shows of a report: series of numbers of which less is better, in the units that asv knows.

asv takes less for better everywhere. So a share of which more is better is shown as what it lacks to 1, a ratio as its
reciprocal, and anything else of which more is better is left out: the throughput follows from the latency.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np

from crossrt.reports.exchange.contents import metrics_by_case
from crossrt.reports.schema.records import Metric, Report, Result, Round
from crossrt.reports.statistics.contrasts import calls_of
from crossrt.reports.statistics.estimates import FEWEST_SAMPLES, over_rounds, percentile
from crossrt.reports.statistics.metrics import scenario_of

CONFIDENCE: Final = 0.99
"""What asv wants its intervals to hold."""

_ALWAYS: Final = "latency_p50"
_SECONDS: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What asv derives its doubts from; times are in seconds.

    Attributes:
        samples: One value a round.
        number: Calls behind each of them.
        lower: Lower end of the 99% interval; None for a single round.
        upper: Upper end.
    """

    samples: tuple[float, ...]
    number: int
    lower: float | None
    upper: float | None

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the samples."""
        first, third = np.percentile(self.samples, (25, 75))
        return float(first), float(third)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One number of one case.

    Attributes:
        series: `b1_t1.latency_p50`: what asv calls a benchmark. Its cases differ in variant and runtime alone.
        unit: `seconds` and `bytes` are printed for people by asv, any other as it is.
        subject: The case without its scenario.
        value: None where the case failed before it could be measured.
        stats: For times, which are measured round by round.
    """

    series: str
    unit: str
    subject: str
    value: float | None
    stats: Stats | None = None


def points_of(report: Report) -> list[Point]:
    """All points by series. A skipped case has none; a failed one has one without a value where others have one."""
    metrics, sizes = metrics_by_case(report), _sizes(report)
    tried = [result for result in report.results if result.status != "skipped"]
    measured = [each for result in tried for each in _measured(result, sizes, metrics.get(result.case, ()))]
    units = {point.series: point.unit for point in measured}
    units |= {f"{_scenario(result, sizes)}.{_ALWAYS}": "seconds" for result in tried}
    known = {(point.series, point.subject) for point in measured}
    lacking = [
        Point(series=series, unit=unit, subject=_subject(result), value=None)
        for result in tried
        if result.status == "failed"
        for series, unit in units.items()
        if series.startswith(f"{_scenario(result, sizes)}.") and (series, _subject(result)) not in known
    ]
    return sorted((*measured, *lacking), key=lambda point: point.series)


def _sizes(report: Report) -> str:
    """`_seq128`: sizes of dynamic dimensions but the batch, as other sizes are other work."""
    batches = {artifact.batch_dimension for artifact in report.artifacts}
    return "".join(f"_{name}{size}" for name, size in sorted(report.dimensions.items()) if name not in batches)


def _measured(result: Result, sizes: str, metrics: Sequence[Metric]) -> Iterator[Point]:
    for metric in metrics:
        found = _smaller_is_better(metric)
        if found is not None:
            name, unit, value = found
            yield Point(
                series=f"{_scenario(result, sizes)}.{_plain(name)}",
                unit=unit,
                subject=_subject(result),
                value=value,
                stats=_stats(result, metric.name),
            )


def _scenario(result: Result, sizes: str) -> str:
    """`b1_t1`, or `b1_t1_seq128_native`."""
    batch_size, threads, io = scenario_of(result)
    return _plain(f"b{batch_size}_t{threads}{sizes}" + ("" if io == "float32" else f"_{io}"))


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _subject(result: Result) -> str:
    """The case without its scenario; asv writes it into pages, where signs of HTML would count."""
    return re.sub(r"[^\w.@+-]", "_", result.subject)


def _smaller_is_better(metric: Metric) -> tuple[str, str, float] | None:
    """Name, unit and value for asv, or None where it has no way to say it."""
    if metric.direction == "bigger_is_better":
        if metric.unit == "share":
            return f"one_minus_{metric.name}", "share", round(1 - metric.value, 12)  # 0.0017, not 0.0017000000000000348
        if metric.unit == "ratio" and metric.value > 0:
            return f"one_over_{metric.name}", "ratio", 1 / metric.value
        return None
    if metric.unit == "ns":
        return metric.name.removesuffix("_ns"), "seconds", metric.value * _SECONDS
    return metric.name.removesuffix("_bytes"), re.sub(r"[^\w/%]", "_", metric.unit), metric.value


def _stats(result: Result, name: str) -> Stats | None:
    """Spread and interval of a time, from its rounds."""
    values = [_round_value(each, name) for each in result.rounds]
    known = [value for value in values if value]
    if not known or len(known) < len(values):
        return None
    estimate = over_rounds(known, CONFIDENCE)
    return Stats(
        samples=tuple(value * _SECONDS for value in known),
        number=min(len(calls_of(each)) for each in result.rounds) if name.startswith("latency") else 1,
        lower=None if estimate.lower is None else estimate.lower * _SECONDS,
        upper=None if estimate.upper is None else estimate.upper * _SECONDS,
    )


def _round_value(each: Round, name: str) -> float | None:
    """What one round says of a time, in nanoseconds."""
    if name == "load_ns":
        return each.load_ns
    if name == "first_inference_ns":
        return each.first_inference_ns
    if name == "latency_mean_ns":
        return fmean(calls_of(each))
    percent = re.fullmatch(r"latency_p(\d+)_ns", name)
    if percent is None or int(percent[1]) not in FEWEST_SAMPLES:
        return None
    return percentile(calls_of(each), int(percent[1]))
