"""What a session collects from its tests, in the process that shows the summary and saves reports.

With pytest-xdist tests run in other processes: all that they found comes here with pytest's own test reports.
Imported by every session: standard library and pytest only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from crossrt.harness.pytest_plugin.options import Options

ATTRIBUTE: Final = "crossrt_measured"
"""Of a test report: a mapping that JSON can hold."""


@dataclass(slots=True, kw_only=True)
class Collected:
    """What the tests of a session measured.

    Attributes:
        lines: One a case, by test.
        notes: What was not judged, and why, by test.
        saved: What is not judged because it is saved as the baseline, by test.
        reports: JSON texts, by test; only where somebody asked for them.
    """

    lines: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    saved: dict[str, list[str]] = field(default_factory=dict)
    reports: dict[str, list[str]] = field(default_factory=dict)

    def add(self, report: pytest.TestReport) -> None:
        """Takes what a test found; a test that is run again replaces what it found before."""
        found: dict[str, list[str]] | None = getattr(report, ATTRIBUTE, None)
        if found is not None:
            self.lines[report.nodeid] = found["lines"]
            self.notes[report.nodeid] = found["notes"]
            self.saved[report.nodeid] = found["saved"]
            self.reports[report.nodeid] = found["reports"]


def wants_reports(config: pytest.Config, options: Options) -> bool:
    """Whether reports go further than the summary."""
    return options.save is not None or benchmark_json(config) is not None


def benchmark_json(config: pytest.Config) -> Any:
    """Where pytest-benchmark writes JSON: a path or an open file; None where it does not."""
    return config.getoption("benchmark_json", None)


def runs_in_parallel(config: pytest.Config) -> bool:
    """Whether pytest-xdist runs tests in several processes."""
    return len(config.getoption("tx", None) or ()) > 1 or (config.getoption("numprocesses", None) or 0) > 1


PARALLEL: Final = (
    "pytest-xdist: what crossrt measures took turns, but other tests may have run beside it; for times to trust give"
    " -p no:xdist, or --dist loadgroup with all such tests in one group"
)
