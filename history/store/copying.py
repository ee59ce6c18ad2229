"""Moving a history: every run of one into another."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from crossrt.history.store.adding import Outcome, add_entry
from crossrt.history.store.address import Address
from crossrt.history.store.database import open_history
from crossrt.history.store.reading import read_entry
from crossrt.history.store.tables import runs
from crossrt.reports.errors import ReportError


def copy_runs(source: Address, target: Address) -> Iterator[Outcome]:
    """Adds every run of a history to another one, oldest first, each in a transaction of its own.

    What is there already stays as it is, so that a copy that broke off is finished by the same command.

    Raises:
        ReportError: One of the two failed, or the target has another report of the same run.
    """
    if source == target:
        raise ReportError(f"{source} cannot be copied to itself")
    with open_history(source) as old:
        with old.reading() as reading:
            numbers = reading.execute(select(runs.c.id).order_by(runs.c.id)).scalars().all()
        with open_history(target, writes=True) as new:
            for number in numbers:
                with old.reading() as reading:
                    entry = read_entry(reading, number)
                with new.writing() as writing:
                    yield add_entry(writing, entry)
