"""A report as the two files that github-action-benchmark reads, which charts metrics on GitHub's pages.

The action takes one direction a file, so there is one for its tool `customSmallerIsBetter` and one for
`customBiggerIsBetter`. An entry is one metric of one case; `range` is half of the 95% interval, `extra` its ends, the
runtime, the task with its data, and the run. Left out: failed and skipped cases without a metric; a file that would be
empty, as the action refuses it.

Source: https://github.com/benchmark-action/github-action-benchmark
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from crossrt.core.metric import Direction
from crossrt.reports.exchange.contents import as_json, bound, measured_results, one_line
from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.text.labels import runtime_text
from crossrt.reports.text.markdown import escaped

FILES: Final[Mapping[Direction, str]] = {
    "smaller_is_better": "smaller-is-better.json",
    "bigger_is_better": "bigger-is-better.json",
}


def github_action_files(report: Report) -> dict[str, str]:
    """The text of each file under its name."""
    entries = {direction: list(_entries(report, direction)) for direction in FILES}
    return {FILES[direction]: as_json(found) for direction, found in entries.items() if found}


def _entries(report: Report, direction: Direction) -> Iterator[dict[str, str | float]]:
    for result, metrics in measured_results(report):
        for metric in metrics:
            if metric.direction == direction:
                yield _entry(report, result, metric)


def _entry(report: Report, result: Result, metric: Metric) -> dict[str, str | float]:
    """One point of a chart; its name must stay the same from run to run."""
    runtime = runtime_text(result.runtime, result.runtime_version)
    extra = [runtime, f"{report.task} on {report.data.name}", f"run {report.run.id}"]
    entry: dict[str, str | float] = {
        "name": _in_backticks(f"{result.case} {metric.name}"),
        "value": metric.value,
        "unit": escaped(metric.unit),
    }
    lower, upper = bound(metric.lower), bound(metric.upper)
    if lower is not None and upper is not None:
        entry["range"] = f"± {(upper - lower) / 2:.6g}"
        extra.insert(0, f"95% interval {lower:.6g} to {upper:.6g}")
    return entry | {"extra": "\n".join(one_line(line) for line in extra)}


def _in_backticks(text: str) -> str:
    """The action writes names between backticks into a table of its comments."""
    return one_line(text).replace("`", "'").replace("|", "/")
