"""Every case of the bundled reference: it runs, its answers are right, and it is not worse than a baseline."""

from __future__ import annotations

import pytest


def test_case(case: str, measured, crossrt) -> None:
    report = crossrt.use(measured, only=[case])
    for result in report.results:
        if result.status == "skipped":
            pytest.skip(result.reason)
        assert result.status == "ok", result.reason
        assert result.evaluation is not None
        assert result.memory is not None
        assert len(result.rounds) >= 2
