"""A run as JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from crossrt.reports.exchange.to_junit import as_junit


@pytest.fixture
def suite(mixed):
    return ET.fromstring(as_junit(mixed))


@pytest.fixture
def cases(suite):
    return {test.get("name"): test for test in suite.iter("testcase")}


def test_counts_are_those_of_the_cases(suite, cases):
    assert [suite.get(each) for each in ("tests", "failures", "errors", "skipped")] == ["4", "1", "0", "1"]
    assert len(cases) == 4


def test_a_failed_case_has_its_reason_and_the_last_words_of_its_process(cases):
    failure = cases["mnist-cnn.bad@tflite/b1/t1"].find("failure")
    assert failure.get("message") == "it <broke>"
    assert failure.text == "last words [31m"


def test_a_skipped_case_has_its_reason(cases):
    assert cases["mnist-cnn.gone@tflite/b1/t1"].find("skipped").get("message") == "not installed"


def test_a_measured_case_passes_and_says_its_metrics(cases, mixed):
    test = cases["mnist-cnn.fp32@ort-cpu/b1/t1"]
    assert test.find("failure") is None
    assert test.find("skipped") is None
    lines = test.find("system-out").text.splitlines()
    assert len(lines) == sum(each.case == test.get("name") for each in mixed.metrics)
    assert any(line.startswith("latency_p50_ns = ") and " ns, 95% interval " in line for line in lines)
    assert "size_bytes = 1000 bytes" in lines


def test_the_suite_says_what_ran_where(suite, mixed):
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert properties["run"] == mixed.run.id
    assert properties["cpu"] == "AMD EPYC"
    assert (properties["task"], properties["dataset"]) == ("classification", "test set")
    assert suite.get("timestamp") == mixed.run.started_at


def test_a_report_without_a_timed_case_is_a_suite_of_skipped_cases(unmeasured):
    suite = ET.fromstring(as_junit(unmeasured))
    assert (suite.get("tests"), suite.get("skipped")) == ("1", "1")


def test_names_that_are_no_xml_do_no_harm(mixed, rename):
    suite = ET.fromstring(as_junit(rename(mixed, '"><x> & \x00\ud800')))
    assert next(suite.iter("testcase")).get("name") == '"><x> & '
