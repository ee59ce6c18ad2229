"""A bisection as a page: which release it was, the steps, and the kernels on both sides."""

from __future__ import annotations

from collections.abc import Iterator

from crossrt.analysis.bisection.record import BisectionReport
from crossrt.analysis.bisection.tables import kernel_lines, kernel_sheet, sentences, steps_sheet
from crossrt.reports.page.document import Header, Section, document, table


def bisection_page(report: BisectionReport) -> str:
    """The whole page, to be saved as one file."""
    header = Header(
        verdict=list(sentences(report)),
        facts=[f"{report.case} on {report.runtime}; crossrt {report.crossrt_version}, {report.started_at}"],
        tone="good" if report.status == "found" else "",
        cautions=report.notes,
    )
    return document(f"crossrt: bisection of {report.runtime}", list(_sections(report)), header)


def _sections(report: BisectionReport) -> Iterator[Section]:
    yield Section(id="steps", title="Versions", body=table(steps_sheet(report)))
    if report.kernels is not None and report.kernels.changes:
        lead = " ".join(f"{line}." for line in kernel_lines(report.kernels))
        yield Section(id="kernels", title="Kernels", body=table(kernel_sheet(report)), lead=lead)
