"""A comparison as JUnit XML: one test case per case, failed where it regressed."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from reports.comparison.findings import Comparison, Finding
from reports.comparison.sheets import explain, headline
from reports.printable import printable


def comparison_as_junit(comparison: Comparison, title: str = "crossrt compare") -> str:
    """XML text that CI services read."""
    by_case: dict[str, list[Finding]] = {}
    for finding in comparison.findings:
        by_case.setdefault(finding.case, []).append(finding)
    failed = {finding.case for finding in comparison.regressions}
    counts = {"tests": str(len(by_case)), "failures": str(len(failed)), "errors": "0", "skipped": "0"}
    suite = ET.Element("testsuite", {"name": title, **counts})
    for case, findings in by_case.items():
        _add(suite, case, findings)
    if comparison.incomparable or comparison.notes:
        said = [headline(comparison), *comparison.incomparable, *comparison.notes]
        ET.SubElement(suite, "system-out").text = printable("\n".join(said))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _add(suite: ET.Element, case: str, findings: list[Finding]) -> None:
    test = ET.SubElement(suite, "testcase", {"classname": "crossrt", "name": printable(case)})
    worse = [finding for finding in findings if finding.is_regression]
    if worse:
        message = ", ".join(f"{finding.metric} {finding.word}" for finding in worse)
        failure = ET.SubElement(test, "failure", {"message": printable(message), "type": "regression"})
        failure.text = printable("\n".join(explain(worse)))
    others = explain([finding for finding in findings if not finding.is_regression])
    if others:
        ET.SubElement(test, "system-out").text = printable("\n".join(others))
