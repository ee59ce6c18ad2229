"""Reports as results of asv, from which `asv publish` builds its pages and which `asv compare` prints.

One file of results per report, under the commit that the run stood on; a folder without asv.conf.json gets one. What
asv calls a benchmark is a metric in a scenario, such as `b1_t1.latency_p50`, and its parameter is the case. Times come
with the values of the rounds and their 99% interval, which are what asv judges by. A failed case is a failed result, a
skipped one is left out. Nothing that is there is lost: another run of the same commit is another file, of which `asv
publish` shows the mean and `asv compare` one. Left out: metrics of which more is better and that are not a share or a
ratio (see `asv_points`), intervals of anything but times, versions of runtimes, kernels after the first.

Source: asv/results.py, asv/benchmarks.py and asv/machine.py of asv 0.6.6, https://github.com/airspeed-velocity/asv
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec

from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.asv_machine import machine_of
from crossrt.reports.exchange.asv_points import Point, Stats, points_of
from crossrt.reports.exchange.asv_project import Project, existing_json, open_project
from crossrt.reports.exchange.contents import as_json, began_at
from crossrt.reports.schema.records import Report

RESULTS_VERSION: Final = 2
BENCHMARKS_VERSION: Final = 2
SERIES_VERSION: Final = "1"
"""Of what a series means: asv does not compare results of different versions."""

PARAMETER: Final = "case"
COLUMNS: Final = (
    *("result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b"),
    *("stats_q_25", "stats_q_75", "stats_number", "stats_repeat", "samples", "profile"),
)


def asv_files(reports: Sequence[Report], folder: Path) -> dict[str, str]:
    """Text of the files to write into an asv project, under their names; those that only grow hold the old content.

    Raises:
        ReportError: A report has no git revision or no case that was tried, or the folder holds something else.
    """
    runs = [(report, _revision(report), _points(report)) for report in reports]
    project = open_project(folder)
    machines: dict[str, dict[str, Any]] = {}
    results: dict[str, str] = {}
    for report, revision, points in runs:
        described = machine_of(report.environment, folder / project.results)
        machine = machines.setdefault(described["machine"], described)
        name = project.results / machine["machine"] / _file_name(report, revision)
        results[str(name)] = as_json(_results(project, report, revision, machine, points))
    path = project.results / "benchmarks.json"
    known = existing_json(folder / path, BENCHMARKS_VERSION)
    benchmarks = _benchmarks(known, [point for _, _, points in runs for point in points], folder / path)
    return {
        **project.new_files,
        **{str(project.results / name / "machine.json"): as_json(machine) for name, machine in machines.items()},
        str(path): as_json(benchmarks),
        **results,
    }


def _revision(report: Report) -> str:
    revision = report.environment.git_revision
    if revision is None or re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", revision) is None:
        said = "none" if revision is None else repr(revision)
        raise ReportError(
            f"asv files results under commits, and the git revision of run {report.run.id} is {said}: run crossrt bench"
            " inside a git repository"
        )
    return revision


def _points(report: Report) -> list[Point]:
    points = points_of(report)
    if not points:
        raise ReportError(f"run {report.run.id} has no case that was tried: crossrt show says why")
    return points


def _environment_name(report: Report) -> str:
    """The same from commit to commit, as asv compares within one environment."""
    return f"crossrt-py{_python(report)}"


def _python(report: Report) -> str:
    found = re.search(r"\d+\.\d+", report.environment.python)
    return found[0] if found else "unknown"


def _file_name(report: Report, revision: str) -> str:
    """The commit, which asv reads up to the first dash; run and digest keep files apart that must not be one."""
    run = re.sub(r"[^A-Za-z0-9]", "", report.run.id)[:40]
    digest = hashlib.sha256(msgspec.json.encode(report)).hexdigest()[:8]
    return f"{revision[:8]}-{_environment_name(report)}-{run}-{digest}.json"


def _results(
    project: Project, report: Report, revision: str, machine: Mapping[str, Any], points: Iterable[Point]
) -> dict[str, Any]:
    began_ms = int(began_at(report).timestamp() * 1000)
    date_ms = project.commit_date_ms(revision)
    series = {name: list(found) for name, found in groupby(points, key=lambda point: point.series)}
    return {
        "version": RESULTS_VERSION,
        "commit_hash": revision,
        "env_name": _environment_name(report),
        "date": began_ms if date_ms is None else date_ms,
        "params": {name: value for name, value in machine.items() if name != "version"} | {"python": _python(report)},
        "python": _python(report),
        "requirements": {},
        "env_vars": {},
        "result_columns": COLUMNS,
        "results": {name: _row(found, began_ms) for name, found in series.items()},
        "durations": {},
    }


def _row(points: Sequence[Point], began_ms: int) -> list[Any]:
    """One benchmark in the order of `COLUMNS`: each a list over the cases, or null where no case has anything."""
    values = _or_null([point.value for point in points])
    spread = zip(*(_cells(point.stats) for point in points), strict=True)
    row = [
        *(values, [[point.subject for point in points]], SERIES_VERSION, began_ms, None),
        *(_or_null(list(column)) for column in spread),
    ]
    while row[-1] is None:
        row.pop()
    return row


def _cells(stats: Stats | None) -> tuple[Any, ...]:
    """One case in the columns from `stats_ci_99_a` to `samples`."""
    if stats is None:
        return (None,) * 7
    return (stats.lower, stats.upper, *stats.quartiles, stats.number, len(stats.samples), stats.samples)


def _or_null(values: list[Any]) -> list[Any] | None:
    return values if any(value is not None for value in values) else None


def _benchmarks(known: Mapping[str, Any], points: Iterable[Point], path: Path) -> dict[str, Any]:
    """What there is to show, with every case that any file of results may name."""
    benchmarks = {**known, "version": BENCHMARKS_VERSION}
    for point in points:
        benchmark = benchmarks.get(point.series, _benchmark(point))
        cases = _cases(benchmark)
        if cases is None:
            raise ReportError(f"{path} has a benchmark {point.series} that is not crossrt's: choose another --out")
        benchmarks[point.series] = {**benchmark, "params": [list(dict.fromkeys((*cases, point.subject)))]}
    return benchmarks


def _cases(benchmark: Any) -> list[str] | None:
    """The cases of one of our benchmarks; None for any other."""
    match benchmark:
        case {"param_names": [name], "params": [[*cases]]} if name == PARAMETER:
            return cases if all(isinstance(case, str) for case in cases) else None
    return None


def _benchmark(point: Point) -> dict[str, Any]:
    return {
        "code": f"{point.series} of crossrt bench",
        "name": point.series,
        "param_names": [PARAMETER],
        "params": [[]],
        "type": "track",
        "unit": point.unit,
        "version": SERIES_VERSION,
    }
