from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest

from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.history.store.address import Address, parse_address
from crossrt.history.store.collecting import add_files
from crossrt.history.store.database import open_history
from crossrt.reports.schema.files import write_report
from crossrt.reports.schema.records import Report

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def place(request, tmp_path) -> str:
    """Where a test's history is to be: nothing is there yet."""
    if request.param == "sqlite":
        return str(tmp_path / "history.sqlite")
    return request.getfixturevalue("postgresql_url")


@pytest.fixture
def address(place) -> Address:
    return parse_address(place)


@pytest.fixture
def file_address(tmp_path) -> Address:
    """A SQLite file, for what has nothing to do with the database."""
    return parse_address(str(tmp_path / "history.sqlite"))


@pytest.fixture
def make_run(make_report, make_result, simulate_rounds, with_reference_workload):
    """Makes the report of the run of one day, at a commit of its own.

    `slower` multiplies the times of the cases that it names, `machine` those of the reference workload too; `task`
    holds a task's name and definitions.
    """
    make_rounds = partial(simulate_rounds, blocks=8)

    def make(
        day: int = 0,
        *subjects: str,
        slower: dict[str, float] | None = None,
        machine: float = 1.0,
        rounds: int = 6,
        reference: bool = True,
        environment: dict | None = None,
        status: str = "complete",
        task: dict | None = None,
        **fields,
    ) -> Report:
        random = np.random.default_rng(day)
        results = [
            make_result(
                subject,
                rounds=make_rounds(50_000 * machine * (slower or {}).get(subject, 1.0), rounds, random),
                **fields,
            )
            for subject in subjects or ("fp32@ort-cpu",)
        ]
        moment = FIRST_DAY + timedelta(days=day)
        report = make_report(*results, id=f"run-{day:03}", started_at=moment.isoformat(), status=status, **(task or {}))
        if reference:
            report = with_reference_workload(report, make_rounds(40_000 * machine, rounds, random))
        changed = {"git_revision": f"{day:07x}" + 33 * "0", "git_dirty": False} | (environment or {})
        return msgspec.structs.replace(report, environment=msgspec.structs.replace(report.environment, **changed))

    return make


@pytest.fixture
def own_task() -> dict:
    """A regression whose error is in a unit that nothing else has."""
    definition = MetricDefinition(
        name="mae",
        label="MAE",
        unit="deg C",
        direction=SMALLER,
        judged_by="samples",
        paired_test="paired-t",
        margin=0.05,
        worse="less accurate",
    )
    return {"task": "regression", "definitions": (definition,)}


@pytest.fixture
def save(tmp_path):
    """Writes reports as a run of crossrt bench does."""

    def write(*reports: Report) -> list[Path]:
        paths = [tmp_path / "results" / report.run.id / "report.json" for report in reports]
        for report, path in zip(reports, paths, strict=True):
            write_report(report, path)
        return paths

    return write


@pytest.fixture
def add(save, address):
    """Adds reports to the history."""

    def put(*reports: Report) -> list[str]:
        return [added.outcome for added in add_files(address, save(*reports))]

    return put


@pytest.fixture
def reading(address):
    """Asks the history."""

    def ask(question):
        with open_history(address) as history, history.reading() as connection:
            return question(connection)

    return ask
