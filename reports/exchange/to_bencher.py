"""A report as Bencher Metric Format, the JSON that `bencher run --adapter json --file` sends.

One benchmark per case, one measure per metric, with both ends of its interval where it has one. Three metrics have
Bencher's own measures: the median latency is `latency` (ns), throughput is `throughput` (samples per second), the
file's size is `file-size` (bytes). Every other measure has the metric's name with dashes, such as `load-ns`, `top1` or
that of a task of your own; Bencher makes it when it sees it first. Left out: failed and skipped cases without a metric;
units and directions, which Bencher keeps with the measure and with its threshold (`throughput`, `top1` and other
measures of which more is better need a lower boundary).

Source: https://bencher.dev/docs/reference/bencher-metric-format
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from crossrt.reports.exchange.contents import as_json, bound, measured_results, one_line
from crossrt.reports.schema.records import Metric, Report

BUILT_IN: Final[Mapping[str, str]] = {
    "latency_p50_ns": "latency",
    "throughput_per_s": "throughput",
    "size_bytes": "file-size",
}
LONGEST_MEASURE: Final = 64
LONGEST_BENCHMARK: Final = 1024


def as_bencher(report: Report) -> str:
    """The file's text."""
    return as_json(
        {
            one_line(result.case)[:LONGEST_BENCHMARK]: {_measure(metric.name): _values(metric) for metric in metrics}
            for result, metrics in measured_results(report)
        }
    )


def _measure(name: str) -> str:
    """The measure's slug: lower-case letters, digits and dashes."""
    return BUILT_IN.get(name) or re.sub(r"[^a-z0-9]+", "-", name.lower())[:LONGEST_MEASURE].strip("-")


def _values(metric: Metric) -> dict[str, float]:
    ends = {"lower_value": bound(metric.lower), "upper_value": bound(metric.upper)}
    return {"value": metric.value} | {name: end for name, end in ends.items() if end is not None}
