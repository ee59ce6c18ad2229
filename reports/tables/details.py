"""One case of a report in full: scores, outputs, classes, and what a failed process wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from crossrt.core.evaluation import ClassDetails, Evaluation
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.tables.terminal import print_sheet, print_warnings, sheet_width
from crossrt.reports.text.cells import Cell, Sheet, unit_of, written
from crossrt.reports.text.labels import class_text
from crossrt.reports.text.printable import printable

MOST_CLASSES: Final = 20
"""Classes that are shown one by one; of more, the worst."""

MOST_PAIRS: Final = 12


def print_details(report: Report, pattern: str, console: Console) -> None:
    """Prints every case whose id contains `pattern`.

    Raises:
        ReportError: No case does.
    """
    found = [result for result in report.results if pattern in result.case]
    if not found:
        known = "\n  ".join(result.case for result in report.results)
        raise ReportError(f"no case of this report contains {pattern!r}; available:\n  {known}")
    look = Lookup(report)
    print_warnings(report, console)
    for result in found:
        _print_case(look, result, console)


def _print_case(look: Lookup, result: Result, console: Console) -> None:
    console.print(Text(printable(f"{result.case}: {result.status}"), style="bold"))
    if result.reason:
        console.print(Text(printable(result.reason)))
    if result.operators:
        console.print(Text(printable(f"operators: {', '.join(result.operators)}")))
    if result.evaluation is not None:
        for note in result.evaluation.notes:
            console.print(Text(printable(note)))
        for sheet in _sheets(look, result.evaluation, console.width):
            print_sheet(sheet, console)
    if result.stderr_tail:
        console.print(Text("last lines of the process's standard error:", style="bold"))
        console.print(Text(printable(result.stderr_tail)))
    console.print()


def _sheets(look: Lookup, evaluation: Evaluation, width: int) -> Iterator[Sheet]:
    yield _scores(look, evaluation)
    if evaluation.outputs:
        yield _outputs(evaluation)
    if evaluation.classes is not None and evaluation.classes.scores:
        names = look.report.data.classes
        yield class_sheet(evaluation.classes, names)
        matrix = confusion_sheet(evaluation.classes, names)
        yield matrix if sheet_width(matrix) <= width else most_confused(evaluation.classes, names)


def _scores(look: Lookup, evaluation: Evaluation) -> Sheet:
    rows = []
    for name, value in evaluation.values.items():
        definition, reference = look.definitions.get(name), evaluation.reference_values.get(name)
        number_format = definition.format if definition else "significant"
        texts = (
            definition.label if definition else name,
            f"{written(value, number_format)} {unit_of(definition) if definition else ''}".strip(),
            ABSENT if reference is None else written(reference, number_format),
        )
        rows.append(tuple(Cell(text=text) for text in texts))
    title = f"{evaluation.task} of {evaluation.samples:,} samples"
    return Sheet(title=title, columns=("metric", "value", "reference"), rows=tuple(rows), dropped_first=("reference",))


def _outputs(evaluation: Evaluation) -> Sheet:
    columns = ("output", "largest error", "mean error", "error %", "SQNR dB", "cosine", "steps (LSB)")
    rows = tuple(
        (
            Cell(text=each.output),
            *(
                Cell(text=ABSENT if value is None else f"{value:.4g}")
                for value in (
                    each.max_abs,
                    each.mean_abs,
                    None if each.relative is None else 100 * each.relative,
                    each.sqnr_db,
                    each.cosine,
                    each.max_steps,
                )
            ),
        )
        for each in evaluation.outputs
    )
    dropped = ("cosine", "mean error", "steps (LSB)", "SQNR dB")
    return Sheet(title="outputs compared with the reference's", columns=columns, rows=rows, dropped_first=dropped)


def class_sheet(classes: ClassDetails, names: Sequence[str] = ()) -> Sheet:
    """Scores of each class; of many the worst by F1."""
    ordered = list(enumerate(classes.scores))
    title = "scores by class, %"
    if len(ordered) > MOST_CLASSES:
        present = [each for each in ordered if each[1].support]
        ordered = sorted(present, key=lambda each: each[1].f1)[:MOST_CLASSES]
        title = f"scores of the {len(ordered)} of {len(classes.scores):,} classes with the lowest F1, %"
    rows = tuple(
        (
            Cell(text=class_text(index, names)),
            *(Cell(text=f"{100 * share:.2f}") for share in (score.precision, score.recall, score.f1)),
            Cell(text=f"{score.support:,}"),
        )
        for index, score in ordered
    )
    return Sheet(title=title, columns=("class", "precision", "recall", "F1", "samples"), rows=rows)


def confusion_sheet(classes: ClassDetails, names: Sequence[str] = ()) -> Sheet:
    """The confusion matrix; of many classes the pairs that are confused most."""
    number = len(classes.scores)
    if number > MOST_CLASSES:
        return most_confused(classes, names)
    cells = {(true, given): count for true, given, count in classes.confusion}
    rows = tuple(
        (
            Cell(text=class_text(true, names)),
            *(Cell(text=str(cells.get((true, given)) or ".")) for given in range(number)),
        )
        for true in range(number)
    )
    columns = ("true", *(str(given) for given in range(number)))
    return Sheet(title="confusion matrix: rows true, columns answered", columns=columns, rows=rows)


def most_confused(classes: ClassDetails, names: Sequence[str] = ()) -> Sheet:
    """The pairs of different classes that are confused most."""
    wrong = sorted((each for each in classes.confusion if each[0] != each[1]), key=lambda each: -each[2])
    rows = tuple(
        (Cell(text=class_text(true, names)), Cell(text=class_text(given, names)), Cell(text=f"{samples}"))
        for true, given, samples in wrong[:MOST_PAIRS]
    )
    title = f"most confused pairs: {len(rows)} of {len(wrong):,}"
    return Sheet(title=title, columns=("true", "answered", "samples"), rows=rows)
