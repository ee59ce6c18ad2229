"""What a history keeps of one report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from crossrt.history.judging.levels import Level, LevelKey, levels_of, workload_level
from crossrt.history.store.evaluations import slim
from crossrt.reports.exchange.contents import began_at
from crossrt.reports.schema.files import read_hashed_report
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.verdicts.comparison.comparable import environment_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run in a history.

    Attributes:
        report: The report without raw times, controls, tensors and all that only one report is asked for.
        sha256: Of the report file.
        path: Where the file was when it was added.
        started_at: When the run began.
        environment: Key of what must be equal for times to be compared.
        workload: Logarithm of the nanoseconds of the reference workload.
        rounds: How many rounds each case had.
        levels: What rounds say of each time, under case and metric.
    """

    report: Report
    sha256: str
    path: str
    started_at: datetime
    environment: str
    workload: float | None
    rounds: Mapping[str, int]
    levels: Mapping[LevelKey, Level]


def read_entry_file(path: Path) -> Entry:
    """What would be kept of a report file; raises `ReportError` where it is none."""
    report, sha256 = read_hashed_report(path)
    return entry_of(report, sha256, path)


def entry_of(report: Report, sha256: str, path: Path) -> Entry:
    """What is kept of a report.

    Args:
        report: As it was read.
        sha256: Of the file's bytes.
        path: The file.
    """
    return Entry(
        report=_bare(report),
        sha256=sha256,
        path=str(path.resolve()),
        started_at=began_at(report),
        environment=_key(report),
        workload=workload_level(report),
        rounds={result.case: len(result.rounds) for result in report.results},
        levels=levels_of(report),
    )


def _key(report: Report) -> str:
    """Of the machine and its settings, and of the sizes of dynamic dimensions, where there are any."""
    key = environment_key(report)
    if not report.dimensions:
        return key
    return hashlib.sha256(msgspec.json.encode([key, sorted(report.dimensions.items())])).hexdigest()


def _bare(report: Report) -> Report:
    results = tuple(_bare_result(result, report) for result in report.results)
    return replace(report, results=results, controls=(), distances=(), layers=())


def _bare_result(result: Result, report: Report) -> Result:
    evaluation = result.evaluation if result.status == "ok" else None
    return replace(
        result,
        rounds=(),
        scenarios=(),
        evaluation=evaluation and slim(evaluation, report.definitions, report.data.labels),
        memory=None,
        operators=None,
        kernels=None,
        kernel_shares=None,
        stderr_tail=None,
    )


class About(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run was about, beside its data and its metrics: fields of its report."""

    task: str
    reference: str | None = None
    model_sha256: str | None = None
    dimensions: dict[str, int] = {}
    cautions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def about_of(report: Report) -> About:
    """These fields of a report."""
    return About(**{name: getattr(report, name) for name in About.__struct_fields__})
