"""A comparison for a terminal and for a pull request."""

from __future__ import annotations

from rich.console import Console

from crossrt.reports.tables.terminal import line_of, print_sheet
from crossrt.reports.text.markdown import escaped, sheet_as_markdown
from crossrt.reports.verdicts.comparison.findings import Comparison
from crossrt.reports.verdicts.comparison.sheets import (
    NOT_JUDGED,
    caution_lines,
    comparison_notes,
    findings_sheet,
    headline,
)

_SIDES = ("baseline", "current")


def print_comparison(comparison: Comparison, console: Console, *, everything: bool = False) -> None:
    """Prints the outcome, the table worst first, and notes."""
    for line in caution_lines(comparison):
        _print(line, "bold yellow", console)
    style = {0: "bold green", 1: "bold red"}.get(comparison.exit_code, "bold yellow")
    _print(headline(comparison), style, console)
    for name, subject in zip(_SIDES, comparison.subjects, strict=True):
        _print(f"{name:<8}  {subject}", "dim", console)
    sheet = findings_sheet(comparison, everything=everything)
    if sheet.rows:
        console.print()
        print_sheet(sheet, console)
    console.print()
    for note in comparison_notes(comparison, everything=everything):
        _print(note, "yellow" if note.startswith(NOT_JUDGED) else "dim", console)


def _print(text: str, style: str, console: Console) -> None:
    console.print(line_of(text, console.width, style))


def comparison_as_markdown(comparison: Comparison, *, everything: bool = False, title: str = "crossrt compare") -> str:
    """GitHub-flavoured Markdown."""
    sheet = findings_sheet(comparison, everything=everything)
    lines = [f"### {title}", "", *(f"**{escaped(line)}**  " for line in caution_lines(comparison))]
    lines += [f"**{escaped(headline(comparison))}**", ""]
    lines += [f"- {name}: {escaped(subject)}" for name, subject in zip(_SIDES, comparison.subjects, strict=True)]
    lines.append("")
    if sheet.rows:
        lines += [*sheet_as_markdown(sheet), ""]
    lines += [f"- {escaped(note)}" for note in comparison_notes(comparison, everything=everything)]
    return "\n".join(lines) + "\n"
