"""A comparison in a terminal, as Markdown, as JUnit."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.comparison.junit import comparison_as_junit
from crossrt.reports.verdicts.comparison.render import comparison_as_markdown, print_comparison
from crossrt.reports.verdicts.comparison.sheets import explain, findings_sheet, headline


@pytest.fixture
def worse(make_run):
    """One of two cases is slower, and another one has vanished."""
    cases = ("fp32@ort-cpu", "int8@tflite", "gone@tflite")
    return compare_reports(make_run(*cases, seed=1), make_run(*cases[:2], slower=1.25, seed=3), Question())


@pytest.fixture
def fine(make_run):
    return compare_reports(make_run(seed=1), make_run(seed=2), Question())


def printed(comparison, **options):
    console = Console(width=110, file=io.StringIO(), highlight=False)
    print_comparison(comparison, console, **options)
    return console.file.getvalue()


def test_outcome_comes_first(worse, fine):
    assert printed(worse).startswith("3 regressions in 3 cases")
    assert printed(fine).startswith("No regression:")


def test_table_has_the_worst_first_and_hides_what_stayed_the_same(worse):
    text = printed(worse)
    assert text.index("gone@tflite") < text.index("int8@tflite")
    assert "slower" in text
    assert "top-1" not in text
    assert "top-1" in printed(worse, everything=True)


def test_change_stands_with_its_interval_and_margin(worse):
    row = next(line for line in printed(worse).splitlines() if "int8@tflite" in line and "p50" in line)
    assert "+2" in row
    assert "[+" in row
    assert row.rstrip().endswith("slower > 5%")


def test_markdown_escapes_names(make_run):
    found = compare_reports(make_run("a|b@ort-cpu"), make_run("a|b@ort-cpu", slower=1.3), Question())
    assert "a\\|b@ort-cpu" in comparison_as_markdown(found)


def test_markdown_is_a_table_with_a_headline(worse):
    text = comparison_as_markdown(worse)
    assert "**3 regressions in 3 cases" in text
    assert "| case | metric |" in text


def test_junit_has_a_test_case_for_each_case_and_fails_those_that_regressed(worse):
    suite = ET.fromstring(comparison_as_junit(worse))
    assert (suite.get("tests"), suite.get("failures")) == ("3", "3")
    failure = next(test for test in suite if "int8" in test.get("name", "")).find("failure")
    assert "latency_p50_ns slower" in failure.get("message")


def test_junit_of_a_fine_comparison_has_no_failure(fine):
    assert "<failure" not in comparison_as_junit(fine)


def test_junit_holds_text_that_is_not_xml(make_run):
    broken = make_run(status="failed", reason="bad \x1b[31m <tag> & more", rounds=0)
    text = comparison_as_junit(compare_reports(make_run(), broken, Question()))
    assert "<tag>" in ET.fromstring(text).find(".//failure").text


def test_times_of_few_rounds_that_say_nothing_are_counted_and_not_listed(make_result, make_report):
    before, after = (
        make_report(make_result(medians=medians), id=str(medians[0]))
        for medians in ((30_000, 50_000, 30_500), (31_000, 30_000, 47_000))
    )
    comparison = compare_reports(before, after, Question())
    silent = [each for each in comparison.findings if each.says_nothing]
    assert "latency_p50_ns" in {each.metric for each in silent}
    assert all(each.verdict == "inconclusive" for each in silent)
    text = " ".join(printed(comparison).split())
    assert len(silent) == 1
    assert "1 time not shown, of which these rounds do not even tell the direction" in text
    assert ">+1000" not in text
    shown = findings_sheet(comparison, everything=True)
    assert len(shown.rows) == len(comparison.findings)


def test_each_finding_is_a_line_that_explains_itself(worse):
    slower = next(each for each in worse.findings if each.metric == "latency_p50_ns")
    (line,) = explain([slower])
    assert line.startswith(slower.case)
    assert re.search(r"p50 µs slower: 50\.\d -> 62\.\d, \+25\.\d% \[.*\], margin 5%$", line)


def test_nothing_comparable_is_said(make_run):
    found = compare_reports(make_run("a@ort-cpu"), make_run("b@ort-cpu"), Question(only=["nothing"]))
    assert headline(found) == "Nothing comparable."
    assert "NOT JUDGED: no case is in both reports" in printed(found)
