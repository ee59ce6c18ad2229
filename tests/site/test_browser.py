"""Every page of the site in Chromium, from files: nothing fails, and nothing is asked of a network."""

from __future__ import annotations

import os
import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
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
