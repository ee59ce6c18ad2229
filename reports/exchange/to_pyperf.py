"""A report as the JSON file of pyperf, which `pyperf compare_to` and `pyperf stats` read.

One benchmark per timed case, one run per round, for a round is one process in both worlds. A value is the mean call of
one block of calls, in seconds: pyperf's loops are the calls of a block, and left out where blocks of a round differ in
length. The first call of the fresh session is the only warm-up whose time is known; the calls that warm the caches
before each block are not recorded. Left out: failed and skipped cases, accuracy, file size, load time, intervals.

Source: https://pyperf.readthedocs.io/en/latest/api.html#metadata
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.contents import as_json, began_at, one_line, timed_results
from crossrt.reports.schema.records import Report, Result, Round
from crossrt.reports.text.labels import runtime_text

FORMAT_VERSION: Final = "1.0"
_SECONDS: Final = 1e-9


def as_pyperf(report: Report) -> str:
    """The file's text.

    Raises:
        ReportError: Nothing was timed: pyperf does not read empty files.
    """
    benchmarks = [each for result in timed_results(report) if (each := _benchmark(report, result))["runs"]]
    if not benchmarks:
        raise ReportError(f"all calls of run {report.run.id} took 0 ns, which pyperf does not read")
    return as_json({"version": FORMAT_VERSION, "metadata": _metadata(report), "benchmarks": benchmarks})


def _benchmark(report: Report, result: Result) -> dict[str, Any]:
    found = [_run(each) for each in result.rounds]
    metadata: dict[str, str | int | float | None] = {
        "name": result.case,
        "unit": "second",
        "model": result.model,
        "variant": result.variant,
        "runtime": runtime_text(result.runtime, result.runtime_version),
        "mem_max_rss": (result.memory.peak_bytes or None) if result.memory else None,
    }
    if result.threads == 1 and report.run.settings.pinned_cpu is not None:
        metadata["cpu_affinity"] = str(report.run.settings.pinned_cpu)
    return {"metadata": _allowed(metadata), "runs": [run for run in found if run["values"]]}


def _run(each: Round) -> dict[str, Any]:
    """One process: pyperf does not take a value of 0."""
    means = [float(np.mean(block)) * _SECONDS for block in each.blocks_ns]
    lengths = {len(block) for block in each.blocks_ns}
    return {
        "metadata": {"loops": lengths.pop()} if len(lengths) == 1 else {},
        "warmups": [[1, each.first_inference_ns * _SECONDS]],
        "values": [mean for mean in means if mean > 0],
    }


def _metadata(report: Report) -> dict[str, str | int | float]:
    """What all benchmarks share, under pyperf's own names where it has them."""
    environment = report.environment
    implementation, _, version = environment.python.partition(" ")
    return _allowed(
        {
            "date": began_at(report).isoformat(" "),
            "python_implementation": implementation.lower(),
            "python_version": version,
            "platform": f"Linux-{environment.kernel}-{environment.machine}",
            "cpu_model_name": environment.cpu_model,
            "cpu_count": environment.logical_cpus,
            "load_avg_1min": environment.load_average[0] if environment.load_average else None,
            "timer": "perf_counter_ns",
            "commit_id": environment.git_revision,
            "crossrt_version": report.run.crossrt_version,
            "crossrt_run": report.run.id,
            "task": report.task,
            "dataset": report.data.name,
        }
    )


def _allowed(metadata: dict[str, str | int | float | None]) -> dict[str, str | int | float]:
    """What is known: pyperf refuses empty text and text of several lines."""
    plain = {name: one_line(value) if isinstance(value, str) else value for name, value in metadata.items()}
    return {name: value for name, value in plain.items() if value is not None and value != ""}
