"""Answers on the page: confusion of classes, what changed compared with the baseline, how far outputs are off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from crossrt.core.evaluation import ClassDetails, Evaluation, OutputError
from crossrt.reports.page.document import folded, joined, table
from crossrt.reports.page.heat import Square, matrix
from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.paired import paired_change
from crossrt.reports.tables.agreement import MOST_CLASSES, Answers
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.labels import class_text

ALPHA: Final = 0.025
MOST_CONFUSED: Final = 20
MOST_WEAK: Final = 10
MOST_OUTPUTS: Final = 60

_MACRO: Final = (("precision", "macro_precision"), ("recall", "macro_recall"), ("F1", "macro_f1"))
_LEFT_OUT: Final = "{} of {:,} are shown."


def scored(report: Report) -> list[Answers]:
    """One case with an evaluation for each model file and runtime, at the smallest batch size."""
    found: dict[str, Answers] = {}
    for result in sorted(report.results, key=lambda each: each.batch_size):
        if result.evaluation is not None:
            found.setdefault(result.subject, Answers(result=result, evaluation=result.evaluation))
    return [found[subject] for subject in dict.fromkeys(each.subject for each in report.results) if subject in found]


def confusions(report: Report) -> Markup | None:
    """What each file and runtime took for what, to be opened; None where answers are not classes."""
    look = Lookup(report)
    known = [each for each in scored(report) if each.evaluation.classes is not None]
    if not known:
        return None
    first = next((each for each in known if each.result.subject == look.baseline), None)
    return joined([_of_case(look, each, first) for each in known])


def _of_case(look: Lookup, each: Answers, first: Answers | None) -> Markup:
    classes, compared = each.evaluation.classes, None
    if classes is None:
        return Markup()
    summary, of = f"{look.label(each.result)}: {_right(each.evaluation)}", ""
    if first is not None and first is not each and first.evaluation.samples == each.evaluation.samples:
        compared, of = first.evaluation.classes, look.label(first.result)
        summary += _change(look, first, each)
    draw, names = _matrices if len(classes.scores) <= MOST_CLASSES else _lists, look.report.data.classes
    return folded(summary, Markup('<div class="side">{}</div>').format(joined(draw(classes, compared, of, names))))


def _right(evaluation: Evaluation) -> str:
    cells = evaluation.classes.confusion if evaluation.classes else ()
    right = sum(samples for true, given, samples in cells if true == given)
    found = [f"{name} {100 * evaluation.values[key]:.2f}%" for name, key in _MACRO if key in evaluation.values]
    macro = f"; {', '.join(found)}, means over classes" if len(found) == len(_MACRO) else ""
    return f"{right:,} of {evaluation.samples:,} right{macro}"


def _change(look: Lookup, first: Answers, each: Answers) -> str:
    """`; compared with fp32@tflite 3 fixed, 5 broken (exact McNemar p = 0.73)`."""
    if look.primary is None:
        return ""
    found = paired_change(first.evaluation, each.evaluation, look.primary, ALPHA)
    if found is None or found.fixed is None or found.broken is None:
        return ""
    return (
        f"; compared with {look.label(first.result)} {found.fixed:,} fixed, {found.broken:,} broken"
        f" (exact McNemar p = {found.p_value:.2g})"
    )


def _matrices(classes: ClassDetails, compared: ClassDetails | None, of: str, names: Sequence[str]) -> list[Markup]:
    """Few classes: every pair, and how it differs from the baseline."""
    counts, names = _dense(classes), names if len(names) == len(classes.scores) else ()
    found = [matrix("Rows: true class; columns: class given", list(_counts(counts)), names, 0)]
    if compared is not None and len(compared.scores) == len(classes.scores):
        found.append(matrix(f"More or fewer than {of}", list(_differences(counts - _dense(compared))), names, 0))
    return found


def _dense(classes: ClassDetails) -> NDArray[np.int64]:
    size = len(classes.scores)
    counts = np.zeros((size, size), np.int64)
    for true, given, samples in classes.confusion:
        if max(true, given) < size:
            counts[true, given] = samples
    return counts


def _counts(counts: NDArray[np.int64]) -> Iterator[list[Square]]:
    """Rare mistakes would vanish beside a thousand hits, so only they are coloured."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    worst = max(int(wrong.max()), 1)
    for row, values in enumerate(counts.tolist()):
        yield [
            Square(text=f"{value:,}" if value else "·")
            if column == row or not value
            else Square(text=f"{value:,}", heat="hot", share=value / worst)
            for column, value in enumerate(values)
        ]


def _differences(difference: NDArray[np.int64]) -> Iterator[list[Square]]:
    """A hit more is as good as a mistake less."""
    largest = max(int(np.abs(difference).max()), 1)
    for row, values in enumerate(difference.tolist()):
        yield [
            Square(
                text=f"{value:+,d}",
                heat="fixed" if (value > 0) == (column == row) else "broken",
                share=abs(value) / largest,
            )
            if value
            else Square(text="·")
            for column, value in enumerate(values)
        ]


def _lists(classes: ClassDetails, compared: ClassDetails | None, of: str, names: Sequence[str]) -> list[Markup]:
    """Many classes: the pairs that were confused most, and the classes that fare worst."""
    sheets = (_confused(classes, compared, of, names), _weakest(classes, names))
    return [Markup("<div>{}</div>").format(table(sheet)) for sheet in sheets if sheet.rows]


def _confused(classes: ClassDetails, compared: ClassDetails | None, of: str, names: Sequence[str]) -> Sheet:
    before = {(true, given): samples for true, given, samples in compared.confusion} if compared else {}
    wrong = [cell for cell in classes.confusion if cell[0] != cell[1]]
    worst = sorted(wrong, key=lambda cell: (-cell[2], cell[0], cell[1]))[:MOST_CONFUSED]
    columns: tuple[str, ...] = ("true class", "class given", "samples", "% of the class")
    rows = [_pair(classes, names, *cell) for cell in worst]
    if compared is not None:
        columns = (*columns, "change")
        rows = [
            (*row, Cell(text=_signed(samples - before.get((true, given), 0))))
            for row, (true, given, samples) in zip(rows, worst, strict=True)
        ]
    footer = [_LEFT_OUT.format(len(worst), len(wrong))] if len(wrong) > len(worst) else []
    footer += [f"change: compared with {of}."] if compared is not None else []
    return Sheet(title="Most confused pairs", columns=columns, rows=tuple(rows), footer=tuple(footer))


def _pair(classes: ClassDetails, names: Sequence[str], true: int, given: int, samples: int) -> tuple[Cell, ...]:
    support = classes.scores[true].support if true < len(classes.scores) else 0
    share = f"{100 * samples / support:.1f}" if support else ABSENT
    texts = class_text(true, names), class_text(given, names), f"{samples:,}", share
    return tuple(Cell(text=text) for text in texts)


def _signed(number: int) -> str:
    return f"{number:+,d}" if number else "·"


def _weakest(classes: ClassDetails, names: Sequence[str]) -> Sheet:
    known = [(number, score) for number, score in enumerate(classes.scores) if score.support]
    worst = sorted(known, key=lambda each: (each[1].f1, each[0]))[:MOST_WEAK]
    rows = tuple(
        (
            Cell(text=class_text(number, names)),
            *(Cell(text=f"{100 * share:.1f}") for share in (score.f1, score.precision, score.recall)),
            Cell(text=f"{score.support:,}"),
        )
        for number, score in worst
    )
    footer = (_LEFT_OUT.format(len(worst), len(known)),) if len(known) > len(worst) else ()
    columns = ("class", "F1 %", "precision %", "recall %", "samples")
    return Sheet(title="Classes with the lowest F1", columns=columns, rows=rows, footer=footer)


def output_errors(report: Report) -> Sheet:
    """How far each output of each case is from the reference's, the farthest first."""
    look = Lookup(report)
    found = [(look.label(each.result), error) for each in scored(report) for error in each.evaluation.outputs]
    shown = sorted(found, key=lambda each: -_distance(each[1]))[:MOST_OUTPUTS]
    rows = tuple((Cell(text=name), Cell(text=error.output), *_numbers(error)) for name, error in shown)
    columns = ("case", "output", "relative %", "max abs", "mean abs", "cosine", "SQNR dB", "steps (LSB)")
    footer = (_LEFT_OUT.format(len(shown), len(found)),) if len(found) > len(shown) else ()
    sheet = Sheet(title="Outputs compared with the reference", columns=columns, rows=rows, footer=footer)
    return sheet.without([name for place, name in enumerate(columns) if _is_empty(sheet, place)])


def _is_empty(sheet: Sheet, place: int) -> bool:
    return all(row[place].text == ABSENT for row in sheet.rows)


def _distance(error: OutputError) -> float:
    return error.max_abs if error.relative is None else error.relative


def _numbers(error: OutputError) -> tuple[Cell, ...]:
    relative = None if error.relative is None else 100 * error.relative
    texts = (
        _text(relative, ".3g"),
        _text(error.max_abs, ".3g"),
        _text(error.mean_abs, ".3g"),
        _text(error.cosine, ".6f"),
        _text(error.sqnr_db, ".1f"),
        _text(error.max_steps, ".1f"),
    )
    return tuple(Cell(text=text) for text in texts)


def _text(number: float | None, style: str) -> str:
    return ABSENT if number is None else format(number, style)
