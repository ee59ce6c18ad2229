"""Every case held against a saved report: `pytest tests/benchmarks --crossrt-baseline report.json`.

The cases are measured as `crossrt bench` does, in rounds of fresh processes, and judged as `crossrt compare` does: what
pytest-benchmark times in this one process is too noisy to block a merge.
"""

from __future__ import annotations

import pytest

from crossrt.reports.verdicts.comparison.findings import Comparison
from crossrt.reports.verdicts.comparison.sheets import explain


def test_no_regression(judged_case: str, comparison: Comparison) -> None:
    findings = [finding for finding in comparison.findings if finding.case == judged_case]
    worse = [finding for finding in findings if finding.is_regression]
    if worse:
        pytest.fail("\n".join(explain(worse)), pytrace=False)
    if not findings:
        reasons = "; ".join(comparison.incomparable) or "it is new, or was measured in neither report"
        pytest.skip(f"not judged: {reasons}")
