"""The end of a session in which something was measured: saved reports, the JSON of pytest-benchmark, the summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from crossrt.core.errors import CrossrtError
from crossrt.harness.pytest_plugin.baselines import save_reports
from crossrt.harness.pytest_plugin.options import Options
from crossrt.harness.pytest_plugin.session import PARALLEL, Collected, benchmark_json, runs_in_parallel
from crossrt.reports.exchange.to_pytest_benchmark import as_pytest_benchmark
from crossrt.reports.schema.files import decode_report
from crossrt.reports.text.cells import counted
from crossrt.reports.text.printable import for_logs


def show(terminal: pytest.TerminalReporter, collected: Collected, ending: Sequence[str], config: pytest.Config) -> None:
    """The section of the terminal summary: one line a case, what was not judged, what was saved."""
    terminal.section("crossrt")
    for test, lines in collected.lines.items():
        for line in lines:
            terminal.write_line(for_logs(f"{test}: {line}"))
    for test, notes in collected.notes.items():
        for note in notes:
            terminal.write_line(for_logs(f"NOT JUDGED: {test}: {note}"), yellow=True)
    for test, lines in collected.saved.items():
        for line in lines:
            terminal.write_line(for_logs(f"{test}: {line}"))
    if runs_in_parallel(config):
        terminal.write_line(PARALLEL, yellow=True)
    for line in ending:
        terminal.write_line(for_logs(line))


def save(options: Options, collected: Collected) -> str:
    """Saves the reports of the session and says so; what went wrong is said, too."""
    assert options.save is not None
    reports = {test: [each.encode() for each in parts] for test, parts in collected.reports.items() if parts}
    try:
        kept = save_reports(options.save, reports)
    except CrossrtError as error:
        return f"NOT SAVED: {error}"
    stayed = f"; {counted(kept, 'test')} that did not measure now stayed as they were" if kept else ""
    return f"saved reports of {counted(len(reports), 'test')} in {options.save}{stayed}"


def benchmarks_of(collected: Collected) -> list[dict[str, Any]]:
    """Every measured case as pytest-benchmark writes one, named after its test."""
    return [
        each for test, parts in collected.reports.items() for part in parts for each in _named(test, _content(part))
    ]


def _content(report: str) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(
        as_pytest_benchmark(decode_report(report.encode(), "a report of this session"))
    )
    return content


def _named(test: str, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    cases = content["benchmarks"]
    return [{**each, "fullname": test if len(cases) == 1 else f"{test}::{each['name']}"} for each in cases]


def write_benchmarks(config: pytest.Config, collected: Collected) -> str | None:
    """Writes the file that pytest-benchmark leaves out where no test uses its own fixture."""
    first = next((part for parts in collected.reports.values() for part in parts), None)
    if first is None:
        return None
    content = {**_content(first), "benchmarks": benchmarks_of(collected)}
    raw = json.dumps(content, indent=4, allow_nan=False).encode()
    target = benchmark_json(config)
    try:
        if hasattr(target, "write"):
            target.write(raw)
            target.flush()
        else:
            (config.invocation_params.dir / Path(target)).write_bytes(raw)
    except OSError as error:
        return f"NOT WRITTEN: --benchmark-json: {error}"
    return f"wrote {counted(len(content['benchmarks']), 'case')} for --benchmark-json"
