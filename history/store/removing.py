"""Taking a run out, such as one that was measured or added by mistake."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from crossrt.history.store.tables import metrics, results, runs, times


def remove_run(connection: Connection, run: int) -> None:
    """Removes a run within the caller's transaction; what other runs may share with it stays.

    Args:
        connection: Within a transaction that writes.
        run: Its number in the table of runs.
    """
    its_results = select(results.c.id).where(results.c.run_id == run)
    for numbers in (times, metrics):
        connection.execute(delete(numbers).where(numbers.c.result_id.in_(its_results)))
    connection.execute(delete(results).where(results.c.run_id == run))
    connection.execute(delete(runs).where(runs.c.id == run))
