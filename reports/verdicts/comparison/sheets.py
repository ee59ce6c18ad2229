"""A comparison as a headline, a plain table and notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.statistics.definitions import ANSWERS
from crossrt.reports.text.cells import Cell, Sheet, Tone, counted, title_of, written
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding, Verdict

ABSENT: Final = "-"
NOT_JUDGED: Final = "NOT JUDGED"
CAUTION: Final = "CAUTION"
_COUNTED: Final[dict[Verdict, str]] = {"same": "not worse", "better": "better", "inconclusive": "inconclusive"}
_START_UP: Final = ("load_ns", "first_inference_ns")
_FAR: Final = 10.0
"""A change beyond which an interval's end is no longer spelt out."""

_COLUMNS: Final = ("case", "metric", "baseline", "current", "change", "interval", "verdict")
_DROPPED_FIRST: Final = ("interval", "change", "current", "baseline")


def headline(comparison: Comparison) -> str:
    """The outcome in one sentence, and changed answers in a second one."""
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
        start = "No regression in what could be judged" if comparison.incomparable else "No regression"
    outcome = f"{start}: {', '.join(parts)}." if parts else f"{start}."
    return f"{outcome}{_changed_answers(findings)}"


def _changed_answers(findings: Sequence[Finding]) -> str:
    """The case whose answers changed most, where it is more than the margin allows."""
    changed = [each for each in findings if each.metric == ANSWERS.name and each.verdict != "same"]
    if not changed:
        return ""
    most = max(changed, key=lambda finding: finding.change or 0.0)
    return f" {most.name} answers {100 * (most.change or 0.0):.3g}% of samples differently than the baseline."


def findings_sheet(comparison: Comparison, *, everything: bool = False) -> Sheet:
    """The findings, worst first; those within their margin, or that say nothing, only where everything is asked for."""
    shown = _shown(comparison, everything=everything)
    return Sheet(
        title="Compared with the baseline",
        columns=_COLUMNS,
        rows=tuple(_row(finding) for finding in shown),
        dropped_first=_DROPPED_FIRST,
        wrapped=("metric", "verdict"),
        kept=("verdict",),
    )


def _shown(comparison: Comparison, *, everything: bool) -> list[Finding]:
    return [each for each in comparison.findings if everything or not (each.verdict == "same" or each.says_nothing)]


def comparison_notes(comparison: Comparison, *, everything: bool = False) -> list[str]:
    """What a reader must know beside the table, what speaks against believing it first."""
    hidden = 0 if everything else sum(finding.verdict == "same" for finding in comparison.findings)
    notes = [f"{NOT_JUDGED}: {reason}" for reason in comparison.incomparable]
    if hidden:
        notes.append(f"{counted(hidden, 'finding')} that did not become worse not shown (--all shows them)")
    silent = [finding for finding in comparison.findings if finding.says_nothing]
    if silent and not everything:
        notes.append(
            f"{counted(len(silent), 'time')} not shown, of which these rounds do not even tell the direction: more"
            " rounds would (--all shows them)"
        )
    if any(finding.word == "vanished" for finding in comparison.findings):
        notes.append("vanished: in the baseline and not in the current report; --only selects what is compared")
    told = (
        finding
        for finding in comparison.findings
        if finding.word != "vanished" and (finding.word != "same" or finding.metric == ANSWERS.name)
    )
    notes += [f"{finding.name} {metric_label(finding)}: {finding.detail}" for finding in told if finding.detail]
    started = [each for each in _shown(comparison, everything=everything) if each.metric in _START_UP and each.change]
    if started:
        labels = dict.fromkeys(each.label for each in started)
        notes.append(
            f"{' and '.join(labels)}: values are means over all rounds, as bench and show print them; the change is"
            " that of the steadier rounds, so it may differ from theirs (--all says how times are judged)"
        )
    return [*notes, *comparison.notes, *(comparison.method if everything else ())]


def caution_lines(comparison: Comparison) -> list[str]:
    """What speaks against believing the comparison."""
    return [f"{CAUTION}: {text}" for text in comparison.cautions]


def _row(finding: Finding) -> tuple[Cell, ...]:
    verdict = finding.word
    if finding.verdict == "worse" and finding.margin is not None:
        verdict += f" > {_margin(finding)}"
    return (
        Cell(text=finding.name or finding.case),
        Cell(text=metric_label(finding)),
        Cell(text=_value(finding, finding.baseline)),
        Cell(text=_value(finding, finding.current)),
        Cell(text=_change(finding)),
        Cell(text=_interval(finding)),
        Cell(text=verdict, tone=_tone(finding)),
    )


def _tone(finding: Finding) -> Tone | None:
    tones: dict[str, Tone] = {"worse": "bad", "better": "good", "inconclusive": "doubt"}
    return tones.get(finding.verdict)


def metric_label(finding: Finding) -> str:
    """The metric in words, with the unit that its values are written in."""
    if finding.unit is None or finding.metric == ANSWERS.name:
        return finding.label
    return title_of(
        MetricDefinition(
            name=finding.metric,
            label=finding.label or finding.metric,
            unit=finding.unit,
            direction=SMALLER,
            format=finding.format,
        )
    )


def _value(finding: Finding, value: float | None) -> str:
    return ABSENT if value is None else written(value, finding.format)


def _unit(finding: Finding) -> str:
    return {"points": " pp", "relative": "%", "difference": ""}[finding.change_kind]


def _written(finding: Finding, number: float) -> str:
    """A change without its unit."""
    if finding.change_kind == "difference":
        return f"{number:+z.3g}"
    return f"{100 * number:+z.{2 if finding.change_kind == 'points' else 1}f}"


def change_text(finding: Finding) -> str:
    """The change and its interval."""
    interval = _interval(finding)
    return _change(finding) if interval == ABSENT else f"{_change(finding)} {interval}"


def _change(finding: Finding) -> str:
    return ABSENT if finding.change is None else f"{_written(finding, finding.change)}{_unit(finding)}"


def _interval(finding: Finding) -> str:
    if finding.lower is None or finding.upper is None:
        return ABSENT
    is_far = finding.change_kind == "relative" and finding.upper >= _FAR
    upper = f">+{100 * _FAR:.0f}" if is_far else _written(finding, finding.upper)
    return f"[{_written(finding, finding.lower)}, {upper}]"


def _margin(finding: Finding) -> str:
    factor = 1 if finding.change_kind == "difference" else 100
    return f"{factor * (finding.margin or 0.0):.3g}{_unit(finding)}"


def explain(findings: Sequence[Finding]) -> list[str]:
    """Each finding as one line, for test reports."""
    return [_line(finding) for finding in findings]


def _line(finding: Finding) -> str:
    if finding.change is None:
        return f"{finding.case}: {finding.word}: {finding.detail}"
    margin = "" if finding.margin is None else f", margin {_margin(finding)}"
    values = ""
    if finding.baseline is not None or finding.current is not None:
        values = f"{_value(finding, finding.baseline)} -> {_value(finding, finding.current)}, "
    detail = f"; {finding.detail}" if finding.detail else ""
    return f"{finding.case}: {metric_label(finding)} {finding.word}: {values}{change_text(finding)}{margin}{detail}"
