"""What a job of continuous integration keeps beside `report.json`: page, comment, comparison and verdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from crossrt.core.errors import CrossrtError
from crossrt.reports.schema.files import write_atomically
from crossrt.reports.schema.records import Report
from crossrt.reports.tables.pull_request import pull_request_comment
from crossrt.reports.verdicts.comparison.findings import Comparison
from crossrt.reports.verdicts.comparison.junit import comparison_as_junit

REPORT: Final = "report.json"
BASELINE: Final = "baseline.json"
PAGE: Final = "report.html"
_RENDERED: Final = (PAGE, "comment.md", "verdict.txt", "comparison.json", "comparison.xml")


def has_failed(report: Report) -> bool:
    """True if a case failed, be it in a scenario or on an emulated processor, or none was measured."""
    statuses = {result.status for result in report.results}
    asked = {outcome.status for result in report.results for outcome in result.scenarios}
    emulated = {each.status for each in report.emulated}
    return "failed" in statuses | asked | emulated or "ok" not in statuses


def verdict_of(report: Report, comparison: Comparison | None) -> str:
    """One word for scripts: `fine`, `worse`, `inconclusive`, `incomparable`, or `no-baseline`."""
    if has_failed(report):
        return "worse"
    return "no-baseline" if comparison is None else comparison.outcome


def remove_rendered(folder: Path) -> None:
    """Removes what was made from an earlier report."""
    for name in _RENDERED:
        (folder / name).unlink(missing_ok=True)


def write_rendered(folder: Path, report: Report, comparison: Comparison | None) -> str | None:
    """Writes all files; returns why the page could not be made, which takes nothing else with it."""
    for name, text in _texts(report, comparison):
        write_atomically(folder / name, text.encode())
    try:
        write_atomically(folder / PAGE, _page(report, comparison).encode())
    except CrossrtError as error:  # such as a package that is not installed
        return str(error)
    except Exception as error:  # a defect of what draws it, or a font that is missing
        return f"{type(error).__name__}: {error}"
    return None


def _texts(report: Report, comparison: Comparison | None) -> Iterator[tuple[str, str]]:
    yield "verdict.txt", f"{verdict_of(report, comparison)}\n"
    yield "comment.md", pull_request_comment(report, comparison)
    if comparison is not None:
        yield "comparison.json", msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode()
        yield "comparison.xml", comparison_as_junit(comparison, "crossrt")


def _page(report: Report, comparison: Comparison | None) -> str:
    from crossrt.reports.page.comparison_page import comparison_page
    from crossrt.reports.page.report_page import report_page

    return report_page(report) if comparison is None else comparison_page(comparison, report)
