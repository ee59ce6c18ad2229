"""The page of a report, as text: whole, safe, and with the numbers of the report."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser

import msgspec
import pytest

from crossrt.reports.page.comparison_page import comparison_page
from crossrt.reports.page.report_page import report_page
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports

HOSTILE = "</td></script><script>alert(1)</script><img src=x onerror=alert(2)>\"' onload=alert(3) {{ 7*7 }} $x_1$"
VOID = {"meta", "link", "br", "img", "input", "path", "use", "rect", "stop"}


class Reader(HTMLParser):
    """Collects what a browser would see, and complains about tags that are closed in another order than opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.ids, self.values, self.addresses = [], [], [], {}, []
        self._case = None
        self.feed(text)
        assert not self.open

    def handle_startendtag(self, tag, attributes):
        self._see(tag, dict(attributes))

    def handle_starttag(self, tag, attributes):
        self._see(tag, dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def _see(self, tag, attributes):
        self.tags.append((tag, attributes))
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.addresses += [value for name, value in attributes.items() if name in ("src", "href", "xlink:href")]
        self._case = attributes.get("data-case", self._case)
        if tag == "td" and "data-metric" in attributes:
            self.values[self._case, attributes["data-metric"]] = float(attributes["data-value"])


@pytest.fixture
def hostile(make_result, make_report):
    """A report whose every text tries to become markup."""
    good = make_result()
    bad = make_result("int8-qdq@ort-cpu", status="failed", reason=HOSTILE, stderr_tail=HOSTILE, rounds=())
    report = make_report(good, bad, command=(HOSTILE,))
    artifacts = tuple(msgspec.structs.replace(each, model=HOSTILE, variant=HOSTILE) for each in report.artifacts)
    environment = msgspec.structs.replace(report.environment, cpu_model=HOSTILE, packages={HOSTILE: HOSTILE})
    return msgspec.structs.replace(report, artifacts=artifacts, environment=environment)


def test_page_needs_nothing_else_and_is_well_formed(sample):
    text = report_page(sample)
    page = Reader(text)
    assert all(address.startswith("#") for address in page.addresses)
    assert not re.search(r"url\((?!#)|@import", text)
    assert len(set(page.ids)) == len(page.ids)
    assert {address[1:] for address in page.addresses} <= set(page.ids)


def test_numbers_of_the_table_are_those_of_the_report(sample):
    found = Reader(report_page(sample)).values
    known = {(metric.case, metric.name): metric.value for metric in sample.metrics}
    assert found
    assert found == {key: known[key] for key in found}
    assert {name for _, name in found} >= {"latency_p50_ns", "top1", "size_bytes", "peak_memory_bytes"}


def test_every_plot_says_in_words_what_it_shows(sample):
    images = [attributes for tag, attributes in Reader(report_page(sample)).tags if tag == "svg"]
    assert len(images) >= 3
    assert all(image["role"] == "img" and image["aria-label"] for image in images)


def test_verdict_comes_first_and_a_failure_is_told(make_result, make_report):
    failed = make_result("int8-qdq@ort-cpu", status="failed", reason="out of memory", rounds=())
    text = report_page(make_report(make_result(), failed))
    assert text.index("1 of 2 cases measured, 1 failed") < text.index('id="cases"')
    assert "out of memory" in text


def test_nothing_in_a_report_becomes_markup(hostile):
    page = Reader(report_page(hostile))
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}]
    assert "img" not in {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_only_its_own_script_may_run(sample):
    text = report_page(sample)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_colours_of_plots_follow_the_page(sample):
    drawn = "".join(re.findall(r"<svg.*?</svg>", report_page(sample), re.DOTALL))
    assert "var(--series-0)" in drawn
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()


def test_page_of_two_reports_begins_with_the_verdicts(make_result, make_report):
    before = make_report(make_result(medians=[30_000] * 6), id="before")
    after = make_report(make_result(medians=[60_000] * 6), id="after")
    comparison = compare_reports(before, after, Question())
    text = comparison_page(comparison, after)
    page = Reader(text)
    verdicts = [attributes["data-verdict"] for _, attributes in page.tags if "data-verdict" in attributes]
    assert verdicts[0] == "worse"
    assert len(verdicts) == len(comparison.findings)
    assert text.index('id="verdicts"') < text.index('id="changes"') < text.index('id="cases"')


def test_same_report_gives_the_same_page(sample):
    assert report_page(sample) == report_page(sample)


def test_without_the_extra_the_install_command_is_named(tmp_path, sample_path):
    (tmp_path / "jinja2").mkdir()
    (tmp_path / "jinja2" / "__init__.py").write_text("raise ModuleNotFoundError('gone', name='jinja2')\n")
    source = "import sys; from crossrt.harness.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", source, "report", str(sample_path), "--html", "page.html"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("crossrt: jinja2 is not installed: ")
    assert done.stderr.endswith(" install jinja2 markupsafe matplotlib\n")
    assert not (tmp_path / "page.html").exists()


def test_data_of_the_page_is_no_json_that_a_browser_cannot_read(sample):
    values = re.findall(r'data-value="([^"]*)"', report_page(sample))
    assert all(math.isfinite(json.loads(value)) for value in values)
    assert values


def test_of_many_cases_the_table_has_all_and_the_plots_the_fastest(make_result, make_report):
    results = [make_result(f"v{number:03}@ort-cpu", medians=[30_000 + number]) for number in range(70)]
    page = report_page(make_report(*results))
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert len({case for case, _ in Reader(page).values}) == 70
    assert ("v059@ort-cpu" in drawn, "v060@ort-cpu" in drawn) == (True, False)
    assert "show the 60 fastest cases" in page
