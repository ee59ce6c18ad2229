"""The page in a real browser: Chromium, driven through WebDriver (Debian's chromium and chromium-driver)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.metrics import derive_metrics

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
SAMPLE = Path(__file__).parents[1] / "data" / "report-v1.json"
INSTALL = "apt-get install -y chromium chromium-driver"
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BATCHES = (1, 8, 32)


def many_cases(report: Report) -> Report:
    """The sample with 16 variants of its first file at three batch sizes, and one that failed."""
    first, results = report.results[0], []
    for number in range(16):
        for batch in BATCHES:
            rounds = tuple(
                msgspec.structs.replace(each, blocks_ns=slowed(each.blocks_ns, batch * (20 + number) / 20))
                for each in first.rounds
            )
            case = f"mnist-cnn.fp32-{number:02}@ort-cpu/b{batch}/t1"
            results.append(msgspec.structs.replace(first, case=case, batch_size=batch, rounds=rounds))
    reason = "the worker was killed by signal 11 <script>"
    failed = msgspec.structs.replace(
        first, case="mnist-cnn.odd@ort-cpu/b1/t1", status="failed", reason=reason, rounds=()
    )
    results = (*report.results, *results, failed)
    metrics = derive_metrics(results, report.artifacts, report.run.settings.baseline, report.definitions)
    return msgspec.structs.replace(report, results=results, metrics=metrics)


def slowed(blocks_ns, factor):
    return tuple(tuple(round(ns * factor) for ns in block) for block in blocks_ns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A report of more than 50 cases, its page, and a page that compares it with the sample."""
    folder = tmp_path_factory.mktemp("page")
    write_report(many_cases(read_report(SAMPLE)), folder / "report.json")
    for arguments in (("report.json", "--html", "page.html"), (SAMPLE, "report.json", "--html", "compared.html")):
        done = subprocess.run([CROSSRT, "report", *map(str, arguments)], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in paths:
        without = pytest.fail if os.environ.get("CI") else pytest.skip
        without(f"the page is tried in Chromium, which is not installed: {INSTALL}")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for each in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=paths[1]))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, folder):
    browser.set_window_size(1280, 900)
    browser.get((folder / "page.html").as_uri())
    return browser


def rows(browser, table="cases"):
    return [row for row in browser.find_elements(By.CSS_SELECTOR, f"#{table} tbody tr") if row.is_displayed()]


def numbers(browser, metric):
    script = (
        "return [...document.querySelectorAll(`#cases td[data-metric='${arguments[0]}']`)].map(e => e.dataset.value)"
    )
    return [float(value) for value in browser.execute_script(script, metric)]


@pytest.mark.parametrize("name", ["page.html", "compared.html"])
def test_page_opens_without_a_complaint_and_is_small(browser, folder, name):
    browser.get((folder / name).as_uri())
    assert browser.get_log("browser") == []
    assert (folder / name).stat().st_size <= 2_000_000


def test_numbers_on_the_page_are_those_of_the_report(page, folder):
    report = read_report(folder / "report.json")
    known = {(metric.case, metric.name): metric.value for metric in report.metrics}
    script = (
        "return [...document.querySelectorAll('#cases td[data-metric]')]"
        ".map(e => [e.closest('tr').dataset.case, e.dataset.metric, e.dataset.value])"
    )
    found = {(case, metric): float(value) for case, metric, value in page.execute_script(script)}
    assert len({case for case, _ in found}) == len(report.results)
    assert found == {key: known[key] for key in found}


def test_headings_sort_both_ways_and_what_was_not_measured_stays_last(page):
    heading = page.find_element(By.XPATH, "//table[@id='cases']//button[contains(., 'p50')]")
    heading.click()
    assert numbers(page, "latency_p50_ns") == sorted(numbers(page, "latency_p50_ns"))
    assert rows(page)[-1].get_attribute("data-case").startswith("mnist-cnn.odd")
    heading.send_keys(Keys.ENTER)  # the keyboard does it too
    assert numbers(page, "latency_p50_ns") == sorted(numbers(page, "latency_p50_ns"), reverse=True)
    assert rows(page)[-1].get_attribute("data-case").startswith("mnist-cnn.odd")


def test_filters_choose_rows_and_say_how_many(page):
    every = len(rows(page))
    Select(page.find_element(By.NAME, "batch")).select_by_visible_text("8")
    assert {row.get_attribute("data-batch") for row in rows(page)} == {"8"}
    page.find_element(By.NAME, "search").send_keys("fp32-03")
    assert [row.get_attribute("data-case") for row in rows(page)] == ["mnist-cnn.fp32-03@ort-cpu/b8/t1"]
    assert page.find_element(By.CSS_SELECTOR, "form output").text == f"1 of {every} shown"
    page.find_element(By.CSS_SELECTOR, "form button[type=reset]").click()
    page.execute_async_script("setTimeout(arguments[0], 20)")
    assert len(rows(page)) == every


def test_verdicts_can_be_filtered(browser, folder):
    browser.get((folder / "compared.html").as_uri())
    choice = Select(browser.find_element(By.NAME, "verdict"))
    chosen = choice.options[1].text
    choice.select_by_visible_text(chosen)
    assert {row.get_attribute("data-verdict") for row in rows(browser, "findings")} == {chosen}


def test_theme_can_be_chosen(page):
    button = page.find_element(By.ID, "theme")
    colours = set()
    for _ in range(3):
        button.click()
        colours.add(page.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert colours == {"rgb(255, 255, 255)", "rgb(20, 24, 29)"}


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_but_tables_and_plots_is_wider_than_the_window(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_text_of_the_report_did_not_run(page):
    assert len(page.find_elements(By.TAG_NAME, "script")) == 1
    assert "signal 11 <script>" in page.find_element(By.ID, "failures").text
