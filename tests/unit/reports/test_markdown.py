"""Reports as GitHub-flavoured Markdown: well-formed tables, and names that cannot break out of them."""

from __future__ import annotations

import re

import msgspec
import pytest

from crossrt.reports.tables.summary import Summary
from crossrt.reports.text.markdown import escaped, report_as_markdown

UNESCAPED_PIPE = re.compile(r"(?<!\\)\|")


def tables(text: str) -> list[list[str]]:
    """Groups of neighbouring lines that start with a pipe."""
    blocks = text.split("\n\n")
    return [block.splitlines() for block in blocks if block.startswith("|")]


@pytest.fixture
def markdown_of_failure(make_result, make_report):
    """Renders a report in which one case failed for a reason."""

    def render(reason: str, **fields) -> str:
        failed = make_result("int8-qdq@ort-cpu", status="failed", reason=reason, rounds=(), **fields)
        return report_as_markdown(make_report(make_result(), failed))

    return render


def test_every_row_has_as_many_cells_as_its_heading(sample, markdown_of_failure):
    for text in (report_as_markdown(sample), markdown_of_failure("a | b\nc || d \\| e")):
        for table in tables(text):
            assert len({len(UNESCAPED_PIPE.findall(line)) for line in table}) == 1


def test_every_sheet_has_its_heading_and_its_rows(sample):
    text = report_as_markdown(sample)
    sheets = Summary(sample).sheets()
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == [sheet.title for sheet in sheets]
    assert [len(table) - 2 for table in tables(text)] == [len(sheet.rows) for sheet in sheets]


def test_numbers_are_right_aligned_and_reasons_are_not(sample, markdown_of_failure):
    assert tables(report_as_markdown(sample))[0][1].startswith("| --- | ---: |")
    assert tables(markdown_of_failure("crashed"))[-1][1] == "| --- | --- | --- |"


def test_the_best_is_bold(make_result, make_report):
    report = make_report(make_result(medians=[90_000] * 2), make_result("int8-qdq@ort-cpu", medians=[30_000] * 2))
    assert "| **30.0 ±0.0** |" in report_as_markdown(report)


def test_a_failed_case_stands_in_the_table_with_its_reason(markdown_of_failure):
    text = markdown_of_failure("out of memory")
    assert "| int8-qdq@ort-cpu | failed | - | - | - | - |" in text
    assert "| int8-qdq@ort-cpu, batch 1 | failed | out of memory |" in text


@pytest.mark.parametrize("sign", list("\\|*_<>`[]"))
def test_markup_in_a_reason_is_escaped(markdown_of_failure, sign):
    assert f"| x\\{sign}y |" in markdown_of_failure(f"x{sign}y")


def test_a_reason_is_not_struck_out(markdown_of_failure):
    assert "~~" not in markdown_of_failure("x~~y~~z")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n\n", "\u2028", "\x0b"])
def test_a_reason_of_several_lines_stays_in_its_row(markdown_of_failure, newline):
    assert "| first second |" in markdown_of_failure(f"first{newline}second")


def test_html_in_a_reason_is_not_html(markdown_of_failure):
    text = markdown_of_failure("<img src=x onerror=alert(1)>")
    assert not re.search(r"(?<!\\)<", text)


def test_markup_in_a_model_name_is_escaped(make_result, make_report):
    report = make_report(make_result("a|b<c>\nd@ort-cpu"))
    text = report_as_markdown(report)
    assert "| a\\|b\\<c\\> d@ort-cpu |" in text
    assert not re.search(r"(?<!\\)<c", text)


def test_markup_in_the_headline_is_escaped(sample):
    environment = msgspec.structs.replace(sample.environment, cpu_model="<b>CPU</b> | *x*")
    text = report_as_markdown(msgspec.structs.replace(sample, environment=environment))
    assert "\\<b\\>CPU\\</b\\> \\| \\*x\\*" in text


def test_an_interrupted_run_says_so(make_result, make_report):
    assert "INTERRUPTED" in report_as_markdown(make_report(make_result(), status="interrupted"))


def test_notes_are_a_list(sample):
    text = report_as_markdown(sample)
    assert len(re.findall(r"^- ", text, re.MULTILINE)) == len(Summary(sample).notes(None))
    assert text.endswith("\n")


def test_nobody_is_told_of_a_name():
    assert escaped("@everyone int8@tflite (@team)") == "@\u2060everyone int8@tflite (@\u2060team)"
