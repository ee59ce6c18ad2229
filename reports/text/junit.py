"""JUnit XML, as CI services read it: a suite of test cases in which no text from elsewhere breaks the markup."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from crossrt.reports.text.printable import printable


def junit_suite(name: str, *, tests: int, failures: int, skipped: int = 0, timestamp: str | None = None) -> ET.Element:
    """A suite without its cases."""
    counts = {"tests": tests, "failures": failures, "errors": 0, "skipped": skipped}
    attributes = {"name": name} | {word: str(count) for word, count in counts.items()}
    if timestamp is not None:
        attributes["timestamp"] = printable(timestamp)
    return ET.Element("testsuite", attributes)


def add_properties(suite: ET.Element, properties: Mapping[str, str | None]) -> None:
    """What is known of the whole suite; it stands before the cases."""
    parent = ET.SubElement(suite, "properties")
    for name, value in properties.items():
        if value is not None:
            ET.SubElement(parent, "property", {"name": name, "value": printable(value)})


def add_case(suite: ET.Element, name: str) -> ET.Element:
    """A test case, passed as long as nothing says otherwise."""
    return ET.SubElement(suite, "testcase", {"classname": "crossrt", "name": printable(name)})


def add_text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    """An element that holds text, such as a failure with its message."""
    element = ET.SubElement(parent, tag, {name: printable(value) for name, value in attributes.items()})
    element.text = printable(text)


def junit_text(suite: ET.Element) -> str:
    """The file's text."""
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
