"""A report as the JSON file that `pytest-benchmark compare` reads.

One benchmark per timed case. A round there is one call here: its statistics are over all calls of all rounds. What a
case is made of are its parameters, such as for `--group-by param:runtime`; metrics, task and data set are in
`extra_info`. Left out: failed and skipped cases, intervals, directions.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from crossrt.reports.exchange.contents import as_json, metrics_by_case, timed_results
from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.statistics.contrasts import calls_of

FORMAT_VERSION: Final = "5.1.0"
"""Version of pytest-benchmark whose file this is; later ones read it."""

_PARAMETERS: Final = ("model", "variant", "runtime", "batch_size", "threads", "io")
_SECONDS: Final = 1e-9


def as_pytest_benchmark(report: Report) -> str:
    """The file's text; times are in seconds, and nothing that was not measured is written."""
    metrics = metrics_by_case(report)
    content = {
        "machine_info": _machine(report),
        "commit_info": _commit(report),
        "benchmarks": [_benchmark(report, result, metrics.get(result.case, [])) for result in timed_results(report)],
        "datetime": report.run.finished_at,
        "version": FORMAT_VERSION,
    }
    return as_json(content)


def _machine(report: Report) -> dict[str, Any]:
    environment = report.environment
    return {
        "node": "unknown",
        "processor": environment.machine,
        "machine": environment.machine,
        "python_implementation": environment.python.partition(" ")[0],
        "python_version": environment.python.partition(" ")[2],
        "system": "Linux",
        "release": environment.kernel,
        "cpu": {"brand_raw": environment.cpu_model, "count": environment.logical_cpus, "arch": environment.machine},
        "crossrt": msgspec.to_builtins(environment),
    }


def _commit(report: Report) -> dict[str, Any]:
    environment = report.environment
    return {
        "id": environment.git_revision or "unknown",
        "time": report.run.finished_at,
        "dirty": bool(environment.git_dirty),
        "project": "crossrt",
        "branch": "(unknown)",
    }


def _benchmark(report: Report, result: Result, metrics: list[Metric]) -> dict[str, Any]:
    calls = np.concatenate([np.asarray(calls_of(each), dtype=np.float64) for each in result.rounds]) * _SECONDS
    return {
        "group": f"batch {result.batch_size}",
        "name": result.case,
        "fullname": f"crossrt::{result.case}",
        "params": {name: getattr(result, name) for name in _PARAMETERS},
        "param": None,
        "extra_info": {"case": result.case, "task": report.task, "dataset": report.data.name}
        | {metric.name: metric.value for metric in metrics},
        "options": {"disable_gc": True, "timer": "perf_counter_ns", "min_rounds": len(calls), "warmup": True},
        "stats": _stats(calls),
    }


def _stats(calls: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float | int | str]:
    """What pytest-benchmark derives itself from its rounds, by its definitions."""
    q1, middle, q3 = (float(each) for each in np.percentile(calls, (25, 50, 75)))
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    outside = int(((calls < low) | (calls > high)).sum())
    mean, deviation = float(calls.mean()), float(calls.std(ddof=1)) if len(calls) > 1 else 0.0
    far = int((np.abs(calls - mean) > deviation).sum())
    return {
        "min": float(calls.min()),
        "max": float(calls.max()),
        "mean": mean,
        "stddev": deviation,
        "median": middle,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": outside,
        "stddev_outliers": far,
        "outliers": f"{far};{outside}",
        "ld15iqr": float(calls[calls >= low].min()),
        "hd15iqr": float(calls[calls <= high].max()),
        "ops": 1 / mean if mean else 0.0,
        "total": float(calls.sum()),
        "rounds": len(calls),
        "iterations": 1,
    }
