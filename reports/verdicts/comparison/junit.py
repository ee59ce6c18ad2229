"""A comparison as JUnit XML: one test case per case, failed where it regressed."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from crossrt.reports.text.junit import add_case, add_text, junit_suite, junit_text
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding
from crossrt.reports.verdicts.comparison.sheets import caution_lines, explain, headline


def comparison_as_junit(comparison: Comparison, title: str = "crossrt compare") -> str:
    """XML text that CI services read."""
    by_case: dict[str, list[Finding]] = {}
    for finding in comparison.findings:
        by_case.setdefault(finding.case, []).append(finding)
    failed = {finding.case for finding in comparison.regressions}
    suite = junit_suite(title, tests=len(by_case), failures=len(failed))
    for case, findings in by_case.items():
        _add(suite, case, findings)
    if comparison.cautions or comparison.incomparable or comparison.notes:
        said = [*caution_lines(comparison), headline(comparison), *comparison.incomparable, *comparison.notes]
        add_text(suite, "system-out", "\n".join(said))
    return junit_text(suite)


def _add(suite: ET.Element, case: str, findings: list[Finding]) -> None:
    test = add_case(suite, case)
    worse = [finding for finding in findings if finding.is_regression]
    if worse:
        message = ", ".join(f"{finding.metric} {finding.word}" for finding in worse)
        add_text(test, "failure", "\n".join(explain(worse)), message=message, type="regression")
    others = explain([finding for finding in findings if not finding.is_regression])
    if others:
        add_text(test, "system-out", "\n".join(others))
