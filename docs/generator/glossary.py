"""The glossary of metrics, from their definitions."""

from __future__ import annotations

from collections.abc import Iterable

from crossrt.core.metric import MetricDefinition
from crossrt.datasets.tasks.agreement import Agreement
from crossrt.datasets.tasks.classification import Classification
from crossrt.datasets.tasks.multilabel import Multilabel
from crossrt.datasets.tasks.regression import Regression
from crossrt.reports.statistics.metrics import MEASURED_METRICS
from generator.markdown import table

_COLUMNS = ("name", "heading", "what it is", "unit, better", "compared by", "may become worse by")
_JUDGED = {
    "rounds": "an interval over rounds",
    "samples": "a paired test on the same samples",
    "ratio": "its ratio",
    "difference": "its difference",
    None: "never judged",
}


def page() -> str:
    """Markdown."""
    tasks = (Classification(), Agreement(), Multilabel(), Regression())
    parts = [
        "# Metrics\n\nEach metric is defined at one place in the code, and tables, gates, pages and exports read it"
        " from there; so does this page. `--margin NAME=PERCENT` allows another change to the worse.\n",
        f"## Speed, size and kernels\n\n{_table(MEASURED_METRICS)}",
    ]
    parts += [f"## Task `{each.name}`\n\n{_table(each.metrics)}" for each in tasks]
    return "\n".join(parts)


def _table(metrics: Iterable[MetricDefinition]) -> str:
    return table(_COLUMNS, [_row(each) for each in metrics])


def _row(each: MetricDefinition) -> tuple[str, ...]:
    better = "smaller" if each.direction == "smaller_is_better" else "bigger"
    test = {"mcnemar": " (exact McNemar)", "paired-t": " (paired t)", None: ""}[each.paired_test]
    judged = _JUDGED[each.judged_by] + test
    return f"`{each.name}`", each.label, each.description, f"{each.unit}, {better}", judged, _margin(each)


def _margin(each: MetricDefinition) -> str:
    if each.margin is None:
        return "only if asked for"
    is_share = each.unit == "share"
    return f"{each.margin * 100:g} percentage points" if is_share else f"{each.margin:.0%} of the baseline"
