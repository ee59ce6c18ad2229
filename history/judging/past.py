"""What a new report is judged by: the runs before it that may be compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, exists

from crossrt.history.judging.selection import count_runs, newest, run_rows
from crossrt.history.store.entries import Entry
from crossrt.history.store.reading import read_entry
from crossrt.history.store.shared import storable
from crossrt.history.store.tables import cases, environments, results, runs
from crossrt.reports.schema.records import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Earlier runs, newest first.

    Attributes:
        comparable: Of the same environment.
        other: The newest run of another environment, where there is none of the same.
        older: How many more there are of the same environment.
    """

    comparable: tuple[Entry, ...]
    other: Entry | None
    older: int

    @property
    def newest(self) -> Entry | None:
        """What sizes, answers and the like are compared with."""
        return self.comparable[0] if self.comparable else self.other


def past_of(connection: Connection, entry: Entry, last: int) -> Past:
    """The complete runs before a run that share a case with it, without itself.

    Args:
        connection: Within a transaction that reads.
        entry: The run that is judged, whether or not it is in the history.
        last: How many are read, at most.
    """
    earlier = (
        runs.c.started_at <= entry.started_at,
        runs.c.name != entry.report.run.id,
        runs.c.sha256 != entry.sha256,
        runs.c.status == "complete",
        _shares_case(entry.report),
    )
    same = (*earlier, environments.c.key == entry.environment)
    found = [read_entry(connection, row.number) for row in run_rows(connection, newest(*same, limit=last))]
    others = [] if found else run_rows(connection, newest(*earlier, limit=1))
    return Past(
        comparable=tuple(found),
        other=read_entry(connection, others[0].number) if others else None,
        older=count_runs(connection, *same) - len(found),
    )


def _shares_case(report: Report) -> ColumnElement[bool]:
    """That a run has a case of this name: a history may hold runs of other models."""
    names = [storable(result.case) for result in report.results]
    return exists().where(results.c.run_id == runs.c.id, results.c.case_id == cases.c.id, cases.c.name.in_(names))


def baseline_of(past: Sequence[Entry], current: Report) -> tuple[Report, tuple[str, ...]]:
    """The newest run, with the cases that it lacks from the newest run that has them.

    Args:
        past: Newest first, at least one.
        current: The report that is judged.

    Returns:
        The report to compare it with, and the cases that come from older runs.
    """
    baseline, lent = past[0].report, []
    present = {result.case for result in baseline.results}
    for case in (result.case for result in current.results if result.case not in present):
        for older in past[1:]:
            if any(result.case == case for result in older.report.results):
                baseline = _with_case(baseline, older.report, case)
                lent.append(case)
                break
    return baseline, tuple(lent)


def _with_case(baseline: Report, older: Report, case: str) -> Report:
    lent = [result for result in older.results if result.case == case]
    present = {artifact.id for artifact in baseline.artifacts}
    missing = {result.artifact for result in lent} - present
    return replace(
        baseline,
        results=(*baseline.results, *lent),
        metrics=(*baseline.metrics, *(metric for metric in older.metrics if metric.case == case)),
        artifacts=(*baseline.artifacts, *(artifact for artifact in older.artifacts if artifact.id in missing)),
    )
