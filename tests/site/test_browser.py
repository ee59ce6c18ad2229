"""Every page of the site in Chromium, from files: nothing fails, and nothing is asked of a network."""

from __future__ import annotations

import os
import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
wait = pytest.importorskip("selenium.webdriver.support.wait")
HEIGHT = """
    const block = document.querySelector("pre > code");
    block.textContent = arguments[0];
    return block.scrollWidth > block.clientWidth ? 0 : block.scrollHeight;
"""
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in paths:
        without = pytest.fail if os.environ.get("CI") else pytest.skip
        without("pages are visited in Chromium: apt-get install -y chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for each in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=paths[1]))
    yield driver
    driver.quit()


def test_every_page_opens_from_a_file_without_an_error(browser, site):
    found = {}
    pages = sorted(path for path in site.rglob("*.html") if path.name != "404.html")
    for page in pages:
        browser.get(page.as_uri())
        asked = browser.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
        wrong = [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]
        wrong += [address for address in asked if not address.startswith(("file:", "data:", "blob:"))]
        broken = "return [...document.images].filter(each => each.complete && !each.naturalWidth).map(each => each.src)"
        wrong += browser.execute_script(broken)
        if wrong or not browser.find_elements("tag name", "h1"):
            found[page.name] = wrong
    assert len(pages) > 50
    assert found == {}


@pytest.mark.parametrize("name", ["tutorial.html", "reference/crossrt-audit.html"])
def test_pages_opened_from_files_are_searched(browser, site, name):
    browser.get((site / name).as_uri())
    field = browser.find_element("css selector", ".md-search__input")
    browser.execute_script("arguments[0].focus()", field)
    field.send_keys("pinning")
    waiting = wait.WebDriverWait(browser, 30)
    first = waiting.until(lambda each: each.find_elements("css selector", ".md-search-result__link"))[0]
    assert first.get_attribute("href").startswith(f"{site.as_uri()}/")
    assert "pinning" in first.get_attribute("textContent").lower()  # its `text` is empty while it moves into sight


@pytest.mark.parametrize("name", ["tutorial.html", "scenarios.html", "index.html"])
def test_output_of_100_columns_fits_a_window_of_1300_pixels(browser, site, name):
    size = {"width": 1300, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get((site / name).as_uri())
    one, hundred = (browser.execute_script(HEIGHT, text) for text in ("x", "x" * 100))
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert one == hundred > 0
