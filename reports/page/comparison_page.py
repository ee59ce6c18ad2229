"""The page of two reports: what changed, then the current one in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from crossrt.reports.page.document import Header, Section, document, figure, render
from crossrt.reports.page.figures import as_svg
from crossrt.reports.page.plots.changes import changes
from crossrt.reports.page.report_page import report_sections, title
from crossrt.reports.schema.records import Report
from crossrt.reports.tables.summary import Summary
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding
from crossrt.reports.verdicts.comparison.sheets import caution_lines, findings_sheet, metric_label
from crossrt.reports.verdicts.comparison.sheets import headline as outcome

_NUMBERS = ("baseline", "current", "change")
"""Columns that are sorted by fields of the same name."""

_TONES = {0: "good", 1: "bad", 3: "doubt"}


def comparison_page(comparison: Comparison, current: Report) -> str:
    """The whole page, to be saved as one file."""
    summary = Summary(current)
    header = Header(
        verdict=[outcome(comparison), *(f"Not judged: {reason}" for reason in comparison.incomparable)],
        facts=[*_sides(comparison), *summary.headline()],
        tone=_tone(comparison),
        cautions=list(dict.fromkeys((*caution_lines(comparison), *summary.warnings()))),
    )
    sections = [*_verdicts(comparison), *report_sections(current)]
    return document(f"{title(current)}, compared with the baseline", sections, header)


def _sides(comparison: Comparison) -> list[str]:
    return [f"{name}: {said}" for name, said in zip(("baseline", "current"), comparison.subjects, strict=True)]


def _tone(comparison: Comparison) -> str:
    if comparison.exit_code == 0 and any(each.verdict == "inconclusive" for each in comparison.findings):
        return "doubt"
    return _TONES[comparison.exit_code]


def _verdicts(comparison: Comparison) -> Iterator[Section]:
    if comparison.findings:
        lead = "The worst first. From the cases on, everything is about the current report alone."
        yield Section(id="verdicts", title="Verdicts", body=_table(comparison), lead=lead)
    if plot := changes(comparison):
        drawn = figure(as_svg(plot.figure, "Changes of times with intervals"), plot.name, plot.caption)
        yield Section(id="changes", title="Changes of times", body=drawn)
    notes = [*_details(comparison.findings), *comparison.notes, *comparison.method]
    if notes:
        yield Section(id="judged", title="How it was judged", body=render("lines.html", lines=notes))


def _table(comparison: Comparison) -> Markup:
    """The findings, to be sorted and filtered by case and verdict."""
    sheet = findings_sheet(comparison, everything=True)
    rows = [{"finding": each, "cells": row} for each, row in zip(comparison.findings, sheet.rows, strict=True)]
    return render("findings.html", columns=sheet.columns, numbers=_NUMBERS, rows=rows)


def _details(findings: Sequence[Finding]) -> list[str]:
    return [
        f"{each.name or each.case} {metric_label(each)}: {each.detail}"
        for each in findings
        if each.detail and each.word not in ("same", "vanished")
    ]
