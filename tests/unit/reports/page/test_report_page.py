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
    rows = section(text, "verdicts").split("<tr")[2:]
    assert {len(re.findall(r"<t[hd]\b", row)) for row in rows} == {section(text, "verdicts").count('scope="col"')}
    (slower,) = (row for row in rows if ">slower" in row)
    change = next(each.change for each in comparison.findings if each.word == "slower")
    assert f'data-label="change" data-value="{change}"' in slower
    assert text.index('id="verdicts"') < text.index('id="changes"') < text.index('id="cases"')


def test_same_report_gives_the_same_page(sample):
    assert report_page(sample) == report_page(sample)


def test_without_the_extra_the_install_command_is_named(tmp_path, sample_path):
    (tmp_path / "jinja2").mkdir()
    (tmp_path / "jinja2" / "__init__.py").write_text("raise ModuleNotFoundError('gone', name='jinja2')\n")
    source = "import sys; from crossrt.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", source, "report", str(sample_path), "--html", "page.html"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("crossrt: jinja2 is not installed: ")
    assert done.stderr.endswith(" install jinja2 markupsafe matplotlib\n")
    assert not (tmp_path / "page.html").exists()


def test_numbers_of_the_page_are_json_that_a_browser_reads(sample):
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


def section(text: str, name: str) -> str:
    return text.partition(f'<section id="{name}"')[2].partition("</section>")[0]


def test_what_was_measured_on_what_stands_on_top(random_inputs):
    top = report_page(random_inputs).partition("<main")[0]
    assert "<h1>crossrt: mnist-cnn</h1>" in top
    assert "mnist-cnn (sequence=128)" in top
    assert "100 samples of random inputs, task agreement" in top
    assert "CAUTION: the states were fed with zeros" in top
    assert "CAUTION: random inputs: nothing about accuracy was measured" in top


def test_without_labels_agreement_is_plotted_in_place_of_accuracy(random_inputs, sample):
    text = report_page(random_inputs)
    assert "Agreement and latency" in text
    assert "Accuracy and latency" not in text
    assert 'id="answers"' not in text
    assert "Accuracy and latency" in report_page(sample)


def test_outputs_are_listed_from_the_farthest_on_and_no_more_than_there_is_room_for(random_inputs):
    found = section(report_page(random_inputs), "outputs")
    assert re.findall(r"output \d+", found)[0] == "output 79"
    assert len(re.findall(r"<tr>", found)) == 1 + 60
    assert "60 of 160 are shown." in found
    assert "cosine" not in found  # which no output has


def test_pairs_of_cases_have_a_matrix_for_each_measure_that_is_known(random_inputs):
    found = section(report_page(random_inputs), "agreement")
    titles = re.findall(r"<caption>(.*?)</caption>", found)
    assert titles == [
        "Same answer, in percent of the samples",
        "Difference of outputs, in percent of their norm",
        "Largest difference of an output, in quantization steps (LSB)",
    ]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", found.partition("</table>")[0])
    assert cells == ["", "·", "97.00", "97.00", "·"]


def test_a_regression_has_columns_and_definitions_of_its_own(regression):
    text = report_page(regression)
    assert {name for _, name in Reader(text).values} >= {"mae", "latency_p50_ns"}
    assert "MAE °C" in text
    assert 'id="answers"' not in text


@pytest.mark.parametrize(("classes", "is_matrix"), [(10, True), (20, True), (21, False), (1000, False)])
def test_few_classes_are_a_matrix_and_many_are_lists(make_result, make_report, make_classes, classes, is_matrix):
    results = (
        make_result(evaluation=make_classes(classes)),
        make_result("int8@tflite", evaluation=make_classes(classes, seed=1)),
    )
    text = section(report_page(make_report(*results)), "answers")
    assert ("Rows: true class; columns: class given" in text) == is_matrix
    assert ("Most confused pairs" in text) != is_matrix
    assert ("Classes with the lowest F1" in text) != is_matrix
    assert re.search(r"compared with fp32@ort-cpu [\d,]+ fixed, [\d,]+ broken", text)


def test_confused_pairs_are_those_of_the_evaluation(make_result, make_report, make_classes):
    evaluation = make_classes(100)
    text = section(report_page(make_report(make_result(evaluation=evaluation))), "answers")
    wrong = sorted((cell for cell in evaluation.classes.confusion if cell[0] != cell[1]), key=lambda c: (-c[2], c))
    first = re.search(r"<tr>\s*<th scope=\"row\">(\d+)</th>\s*<td>(\d+)</td>\s*<td>(\d+)</td>", text)
    assert tuple(map(int, first.groups())) == wrong[0]


def test_a_thousand_classes_do_not_make_a_large_page(make_result, make_report, make_classes):
    evaluation = make_classes(1000, samples=20_000)
    results = [make_result(f"v{number}@ort-cpu", evaluation=evaluation) for number in range(8)]
    assert len(report_page(make_report(*results))) < 400_000


def test_names_come_from_records_and_not_from_ids(make_result, make_report):
    first, second = (
        {"case": "1", "artifact": "a", "model": "net.v2/x", "variant": "int8@best"},
        {"case": "2", "artifact": "b", "model": "net.v2/x", "variant": "plain"},
    )
    results = (
        msgspec.structs.replace(make_result(**first), subject="one"),
        msgspec.structs.replace(make_result("fp32@tflite", **second), subject="two"),
    )
    text = report_page(make_report(*results))
    assert "<h1>crossrt: net.v2/x</h1>" in text
    assert "int8@best@ort-cpu" in text
    assert 'data-variant="int8@best"' in text


def test_columns_beyond_the_usual_are_shown_on_request(sample):
    headings = re.findall(r"<th scope=\"col\"( class=\"extra\")? title=\"[^\"]*\">([^<]*)</th>", report_page(sample))
    shown = [title for extra, title in headings if not extra]
    assert shown[:3] == ["p50 µs", "speed-up", "top-1 %"]
    assert {"size KB", "peak memory MB"} <= set(shown)
    assert {"mean µs", "model load ms"} <= {title for extra, title in headings if extra}
    assert len(shown) <= 7


def test_cells_say_their_column_where_the_table_becomes_a_list(sample):
    cells = [attributes for tag, attributes in Reader(report_page(sample)).tags if "data-metric" in attributes]
    assert cells
    assert all(cell["data-label"] for cell in cells)
