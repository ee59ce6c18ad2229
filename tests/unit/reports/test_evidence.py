"""How a report shows what calls cost the processor."""

import msgspec
import pytest

from crossrt.reports.page.report_page import report_sections
from crossrt.reports.schema.evidence import CallEvidence, Evidence
from crossrt.reports.tables.evidence import evidence_cells, evidence_lines, evidence_notes, evidence_sheet
from crossrt.reports.tables.summary import Summary

MISSING = ("no counters (PMU): a virtual machine", "no energy (RAPL): no meter")


def with_evidence(sample, *calls, missing=()):
    return msgspec.structs.replace(sample, evidence=Evidence(calls=calls, missing=missing))


@pytest.fixture
def counted(sample):
    """A report whose first case was counted."""
    call = CallEvidence(
        case=sample.results[0].case, calls=500, instructions=2.5e6, cycles=1e6, cache_misses=12.5, is_user_only=True
    )
    return with_evidence(sample, call, missing=MISSING[1:])


def test_a_case_shows_what_was_counted_and_leaves_out_what_was_not(counted):
    sheet = evidence_sheet(counted)
    assert sheet.columns == ("case", "instructions", "cycles", "instr./cycle", "cache misses")
    assert [cell.text for cell in sheet.rows[0]][1:] == ["2.5 M", "1 M", "2.50", "12.5"]
    assert "perf_event_paranoid=1" in " ".join(sheet.footer)
    assert MISSING[1] in sheet.footer
    assert sheet.title in {each.title for each in Summary(counted).sheets()}


def test_the_page_has_it_too(counted):
    (section,) = (each for each in report_sections(counted) if each.id == "evidence")
    assert "2.5 M" in section.body
    assert section.lead.startswith("Evidence, not a verdict")


def test_energy_is_that_of_a_sample():
    call = CallEvidence(case="a", calls=10, energy_uj=64.0)
    assert [cell.text for cell in evidence_cells(call, 32)] == ["-", "-", "-", "-", "2"]
    assert list(evidence_lines(call, 32, ())) == ["a call costs the processor (mean of 10): 2 µJ/sample"]


def test_a_machine_that_shows_nothing_is_one_line(sample):
    report = with_evidence(sample, missing=MISSING)
    assert evidence_sheet(report).rows == ()
    assert list(evidence_notes(report)) == ["; ".join(MISSING)]
    assert "; ".join(MISSING) in Summary(report).notes(None)
    assert list(evidence_lines(None, 1, MISSING)) == ["; ".join(MISSING)]


def test_a_report_without_evidence_says_nothing_of_it(sample):
    assert evidence_sheet(sample).rows == ()
    assert list(evidence_notes(sample)) == []
