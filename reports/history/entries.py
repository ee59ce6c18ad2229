"""What a history keeps of one report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from crossrt.reports.exchange.contents import began_at
from crossrt.reports.history.levels import Level, LevelKey, anchor_level, levels_of
from crossrt.reports.schema.files import read_hashed_report
from crossrt.reports.schema.records import Accuracy, Report, Result
from crossrt.reports.verdicts.comparison.comparable import environment_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run in a history.

    Attributes:
        report: The report without raw samples, controls and confusion matrices.
        sha256: Of the report file.
        path: Where the file was when it was added.
        started_at: When the run began.
        environment: Key of what must be equal for times to be compared.
        anchor: Logarithm of the anchor's nanoseconds.
        rounds: How many rounds each case had.
        levels: What rounds say of each time, under case and metric.
    """

    report: Report
    sha256: str
    path: str
    started_at: datetime
    environment: str
    anchor: float | None
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
        environment=environment_key(report),
        anchor=anchor_level(report),
        rounds={result.case: len(result.rounds) for result in report.results},
        levels=levels_of(report),
    )


def _bare(report: Report) -> Report:
    run = replace(report.run, definitions={})
    return replace(report, run=run, results=tuple(map(_bare_result, report.results)), controls=())


def _bare_result(result: Result) -> Result:
    accuracy = result.accuracy if result.status == "ok" else None
    return replace(
        result,
        rounds=(),
        accuracy=accuracy and _bare_accuracy(accuracy),
        memory=None,
        operators=None,
        kernels=None,
        stderr_tail=None,
    )


def _bare_accuracy(accuracy: Accuracy) -> Accuracy:
    """What pairs answers digit by digit; agreement and the like are metrics."""
    return Accuracy(
        samples=accuracy.samples,
        correct=accuracy.correct,
        confusion=(),
        per_class=(),
        logits_sha256="",
        reference_correct=accuracy.reference_correct,
        misclassified=accuracy.misclassified and tuple(sorted(accuracy.misclassified)),
    )
