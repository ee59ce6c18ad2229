"""One case of a report in full: accuracy by class, confusion matrix, and what a failed process wrote."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Accuracy, Report, Result
from crossrt.reports.text.printable import printable
from crossrt.reports.text.trimmed import Trimmed


def print_details(report: Report, pattern: str, console: Console) -> None:
    """Prints every case whose id contains `pattern`.

    Raises:
        ReportError: No case does.
    """
    found = [result for result in report.results if pattern in result.case]
    if not found:
        known = "\n  ".join(result.case for result in report.results)
        raise ReportError(f"no case of this report contains {pattern!r}; there are:\n  {known}")
    for result in found:
        _print_case(result, console)


def _print_case(result: Result, console: Console) -> None:
    console.print(Text(printable(f"{result.case}: {result.status}"), style="bold"))
    if result.reason:
        console.print(Text(printable(result.reason)))
    if result.operators:
        console.print(Text(printable(f"operators: {', '.join(result.operators)}")))
    if result.accuracy is not None:
        console.print(Trimmed(_by_class(result.accuracy)), Trimmed(_confusion(result.accuracy)))
    if result.stderr_tail:
        console.print(Text("last lines of the process's standard error:", style="bold"))
        console.print(Text(printable(result.stderr_tail)))
    console.print()


def _by_class(accuracy: Accuracy) -> Table:
    table = Table("class", box=box.SIMPLE_HEAD, title="scores by class, %", title_justify="left")
    for name in ("precision", "recall", "F1", "digits"):
        table.add_column(name, justify="right")
    for index, score in enumerate(accuracy.per_class):
        shares = (f"{100 * share:.2f}" for share in (score.precision, score.recall, score.f1))
        table.add_row(str(index), *shares, str(score.support))
    return table


def _confusion(accuracy: Accuracy) -> Table:
    table = Table(
        "true", box=box.SIMPLE_HEAD, title="confusion matrix: rows true, columns called", title_justify="left"
    )
    for index in range(len(accuracy.confusion)):
        table.add_column(str(index), justify="right")
    for index, row in enumerate(accuracy.confusion):
        table.add_row(str(index), *(str(count) if count else "." for count in row))
    return table
