"""The report of a search as a page: what to ship, the front as plot and table, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from crossrt.analysis.search.result import SearchReport
from crossrt.analysis.search.tables import candidates_sheet, confirmations_sheet, sensitivity_sheet
from crossrt.harness.search.plot import drawn_front
from crossrt.reports.page.document import Header, Section, document, figure, joined, table
from crossrt.reports.page.figures import as_svg
from crossrt.reports.text.cells import counted

_TONES = {"found": "good", "none": "bad"}
_CAPTION = (
    "Down and to the right is better: the upper bound of the loss against the speed-up over float, with its 95%"
    " interval. Filled: on the front (no other candidate is better in bound, speed-up or size without being worse in"
    " another). Dashed: the budget."
)


def search_page(report: SearchReport) -> str:
    """The whole page, to be saved as one file."""
    header = Header(
        verdict=[report.sentence] if report.sentence else [],
        facts=list(_facts(report)),
        tone=_TONES.get(report.status, ""),
        cautions=report.cautions,
    )
    return document(f"crossrt: search of {report.model}", list(_sections(report)), header)


def _facts(report: SearchReport) -> Iterator[str]:
    yield (
        f"data {report.data}: {counted(report.search_samples, 'sample')} searched on,"
        f" {report.held_out_samples:,} kept aside"
    )
    yield f"{report.took_s:.0f} of {report.time_s:.0f} s; crossrt {report.crossrt}"
    yield from report.notes


def _sections(report: SearchReport) -> Iterator[Section]:
    drawn = drawn_front(report)
    plot = [] if drawn is None else [figure(as_svg(drawn, "front of the search"), "front", _CAPTION)]
    body = joined([*plot, table(candidates_sheet(report))])
    yield Section(id="front", title="Candidates", body=body)
    if report.sensitivities:
        yield Section(id="sensitivity", title="Sensitivity", body=table(sensitivity_sheet(report)))
    if report.confirmations:
        yield Section(id="verdict", title="Verdict", body=table(confirmations_sheet(report)))
