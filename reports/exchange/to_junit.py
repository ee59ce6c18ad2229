"""A report as JUnit XML, which CI services show: one test case per case.

A case that failed is a failure, one that was skipped is skipped, each with its reason and the last lines of its
process; a case that was measured passes, with its metrics as output. Left out: how long a test case took, as the calls
of a case are spread over the whole run; judgements, which `crossrt compare --format junit` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from crossrt.reports.exchange.contents import bound, metrics_by_case
from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.text.cells import OWN_UNITS
from crossrt.reports.text.junit import add_case, add_properties, add_text, junit_suite, junit_text

UNKNOWN = "no reason is known"


def as_junit(report: Report) -> str:
    """The file's text."""
    results, metrics = report.results, metrics_by_case(report)
    suite = junit_suite(
        "crossrt bench",
        tests=len(results),
        failures=sum(result.status == "failed" for result in results),
        skipped=sum(result.status == "skipped" for result in results),
        timestamp=report.run.started_at,
    )
    add_properties(
        suite,
        {
            "run": report.run.id,
            "status": report.run.status,
            "crossrt": report.run.crossrt_version,
            "cpu": report.environment.cpu_model,
            "python": report.environment.python,
            "task": report.task,
            "dataset": report.data.name,
            "git_revision": report.environment.git_revision,
        },
    )
    for result in results:
        _add(suite, result, metrics.get(result.case, ()))
    return junit_text(suite)


def _add(suite: ET.Element, result: Result, metrics: Sequence[Metric]) -> None:
    test, reason = add_case(suite, result.case), result.reason or UNKNOWN
    if result.status == "failed":
        add_text(test, "failure", result.stderr_tail or reason, message=reason, type="failed")
    elif result.status == "skipped":
        add_text(test, "skipped", reason, message=reason)
    if metrics:
        add_text(test, "system-out", "\n".join(_line(metric) for metric in metrics))


def _line(metric: Metric) -> str:
    """`latency_p50_ns = 30440.1 ns, 95% interval 30100.2 to 30800.3`."""
    lower, upper = bound(metric.lower), bound(metric.upper)
    interval = "" if lower is None or upper is None else f", 95% interval {lower:.8g} to {upper:.8g}"
    unit = "" if metric.unit in OWN_UNITS else f" {metric.unit}"
    return f"{metric.name} = {metric.value:.8g}{unit}{interval}"
