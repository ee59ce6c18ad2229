"""A comparison as a headline, a plain table and notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from crossrt.reports.text.cells import Cell, Sheet, Tone, counted
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding, Verdict

ABSENT: Final = "-"
_COUNTED: Final[dict[Verdict, str]] = {"same": "not worse", "better": "better", "inconclusive": "inconclusive"}
_FAR: Final = 10.0
"""A change beyond which an interval's end is no longer spelt out."""

_LABELS: Final = {"latency_p50_ns": "quiet latency"}
_COLUMNS: Final = ("case", "metric", "baseline", "current", "change", "verdict")
_UNITS: Final[dict[str, tuple[Callable[[float], str], str]]] = {
    "ns": (lambda value: f"{value / 1000:,.1f}", "µs"),
    "bytes": (lambda value: f"{value / 1000:,.1f}", "KB"),
    "share": (lambda value: f"{100 * value:.2f}", "%"),
    "kernels": (lambda value: f"{value:.0f}", ""),
    "logit": (lambda value: f"{value:.2g}", "logit"),
}


def headline(comparison: Comparison) -> str:
    """The outcome in one sentence."""
    findings = comparison.findings
    if not findings:
        return "Nothing comparable."
    count = Counter(finding.verdict for finding in findings)
    parts = [f"{count[verdict]} {word}" for verdict, word in _COUNTED.items() if count[verdict]]
    regressions = comparison.regressions
    if regressions:
        cases = len({finding.case for finding in regressions})
        start = f"{counted(len(regressions), 'regression')} in {counted(cases, 'case')}"
    elif count["inconclusive"]:
        start = f"No regression found, but {count['inconclusive']} of {len(findings)} findings could not be decided"
    else:
        start = "No regression"
    return f"{start}: {', '.join(parts)}." if parts else f"{start}."


def findings_sheet(comparison: Comparison, *, everything: bool = False) -> Sheet:
    """The findings, worst first; those within their margin only where everything is asked for."""
    shown = [finding for finding in comparison.findings if everything or finding.verdict != "same"]
    names = short_names([finding.case for finding in comparison.findings])
    rows = tuple(_row(finding, names) for finding in shown)
    return Sheet(title="Compared with the baseline", columns=_COLUMNS, rows=rows)


def comparison_notes(comparison: Comparison, *, everything: bool = False) -> list[str]:
    """What a reader must know beside the table."""
    hidden = 0 if everything else sum(finding.verdict == "same" for finding in comparison.findings)
    notes = [f"NOT JUDGED: {reason}" for reason in comparison.incomparable]
    if hidden:
        notes.append(f"{counted(hidden, 'finding')} that did not become worse not shown (--all shows them)")
    names = short_names([finding.case for finding in comparison.findings])
    if any(finding.word == "vanished" for finding in comparison.findings):
        notes.append("vanished: in the baseline and not in the current report; --only selects what is compared")
    told = (finding for finding in comparison.findings if finding.word not in ("same", "vanished"))
    notes += [f"{names[finding.case]} {metric_label(finding)}: {finding.detail}" for finding in told if finding.detail]
    return [*notes, *comparison.notes, *(comparison.method if everything else ())]


def _row(finding: Finding, names: Mapping[str, str]) -> tuple[Cell, ...]:
    verdict = finding.word
    if finding.verdict == "worse" and finding.margin is not None:
        verdict += f" > {_trimmed(100 * finding.margin)}{_points(finding)}"
    return (
        Cell(text=names[finding.case]),
        Cell(text=metric_label(finding)),
        Cell(text=_value(finding, finding.baseline)),
        Cell(text=_value(finding, finding.current)),
        Cell(text=_change(finding)),
        Cell(text=verdict, tone=_tone(finding)),
    )


def _tone(finding: Finding) -> Tone | None:
    tones: dict[str, Tone] = {"worse": "bad", "better": "good", "inconclusive": "doubt"}
    return tones.get(finding.verdict)


def short_names(cases: Sequence[str]) -> dict[str, str]:
    """Case ids without what all of them share: the model, and the scenario or its one thread."""
    models = {case.partition("/")[0].partition(".")[0] for case in cases}
    has_one_model = len(models) == 1 and all("." in case.partition("/")[0] for case in cases)
    scenarios = {case.partition("/")[2] for case in cases}
    is_single = all(case.endswith("/t1") for case in cases)
    shared = f"/{scenarios.pop()}" if len(scenarios) == 1 else "/t1" if is_single else ""
    return {case: (case.partition(".")[2] if has_one_model else case).removesuffix(shared) for case in cases}


def metric_title(metric: str, unit: str | None) -> str:
    """A metric in words, with the unit that its values are written in."""
    shown = _UNITS.get(unit or "", (None, ""))[1]
    name = metric.removesuffix("_ns").removesuffix("_bytes").removesuffix("_fp32").replace("_", " ")
    return f"{_LABELS.get(metric, name)} {shown}".strip()


def written(value: float, unit: str | None) -> str:
    """A value in the unit that its metric's title names."""
    known = _UNITS.get(unit or "")
    return known[0](value) if known else f"{value:g}"


def metric_label(finding: Finding) -> str:
    """The metric in words, with its unit."""
    return metric_title(finding.metric, finding.unit)


def _value(finding: Finding, value: float | None) -> str:
    return ABSENT if value is None else written(value, finding.unit)


def _points(finding: Finding) -> str:
    return " pt" if finding.unit == "share" else "%"


def _change(finding: Finding) -> str:
    if finding.change is None:
        return ABSENT
    digits = 2 if finding.unit == "share" else 1
    text = f"{100 * finding.change:+.{digits}f}{_points(finding)}"
    if finding.lower is None or finding.upper is None:
        return text
    upper = f"{100 * finding.upper:+.{digits}f}" if finding.upper < _FAR else f">+{100 * _FAR:.0f}"
    return f"{text} [{100 * finding.lower:+.{digits}f}, {upper}]"


def _trimmed(number: float) -> str:
    return f"{number:.3g}"


def explain(findings: Sequence[Finding]) -> list[str]:
    """Each finding as one line, for test reports."""
    return [_line(finding) for finding in findings]


def _line(finding: Finding) -> str:
    if finding.change is None:
        return f"{finding.case}: {finding.word}: {finding.detail}"
    margin = "" if finding.margin is None else f", margin {_trimmed(100 * finding.margin)}{_points(finding)}"
    values = f"{_value(finding, finding.baseline)} -> {_value(finding, finding.current)}"
    detail = f"; {finding.detail}" if finding.detail else ""
    return f"{finding.case}: {metric_label(finding)} {finding.word}: {values}, {_change(finding)}{margin}{detail}"
