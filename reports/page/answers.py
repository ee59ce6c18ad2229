"""Answers on the page: confusion matrices, what changed against the baseline, and how far cases agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from crossrt.reports.errors import ReportError
from crossrt.reports.page.document import folded, joined, render
from crossrt.reports.schema.records import Report
from crossrt.reports.tables.agreement import Answers, agreement, answers_in
from crossrt.reports.tables.agreement_matrix import TITLES, Pairs, as_nats, as_steps
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.verdicts.comparison.answers import flips

ALPHA: Final = 0.025
MOST_IN_MATRIX: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """One cell of a matrix.

    Attributes:
        text: What it says.
        heat: What the colour means: empty, `hot`, `fixed` or `broken`.
        share: How strong the colour is, from 0 to 1.
    """

    text: str
    heat: str = ""
    share: float = 0.0


def confusion_matrices(report: Report) -> Markup | None:
    """Two matrices for each file and runtime, to be opened; None where no case has answers."""
    look, known = Lookup(report), _answers(report)
    if not known:
        return None
    baseline = _baseline(report, known)
    return joined([_of_case(look, each, baseline) for each in known])


def _answers(report: Report) -> list[Answers]:
    try:
        return answers_in(report, ())
    except ReportError:
        return []


def _baseline(report: Report, known: Sequence[Answers]) -> Answers | None:
    name = report.run.settings.baseline
    return next((each for each in known if each.result.case.partition("/")[0] == name), None)


def _of_case(look: Lookup, each: Answers, baseline: Answers | None) -> Markup:
    accuracy, name = each.accuracy, look.label(each.result)
    counts = np.array(accuracy.confusion)
    matrices = [_matrix("Rows: the true digit; columns: what it was called", list(_counts(counts)))]
    summary = f"{name}: {accuracy.correct:,} of {accuracy.samples:,} right"
    if baseline is not None and baseline is not each and baseline.accuracy.samples == accuracy.samples:
        difference = counts - np.array(baseline.accuracy.confusion)
        title = f"More or fewer than {look.label(baseline.result)}"
        matrices.append(_matrix(title, list(_differences(difference))))
        if change := flips(baseline.accuracy, accuracy, ALPHA):
            summary += (
                f"; against {look.label(baseline.result)} {change.fixed} fixed, {change.broken} broken"
                f" (exact McNemar p = {change.p_value:.2g})"
            )
    return folded(summary, Markup('<div class="side">{}</div>').format(joined(matrices)))


def _matrix(title: str, rows: Sequence[Sequence[Square]], names: Sequence[str] | None = None) -> Markup:
    return render("matrix.html", title=title, rows=rows, names=names or [str(place) for place in range(len(rows))])


def _counts(counts: NDArray[np.int64]) -> Iterator[list[Square]]:
    """Rare mistakes would vanish beside a thousand hits, so only they are coloured."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    worst = max(int(wrong.max()), 1)
    for row, values in enumerate(counts.tolist()):
        yield [
            Square(text=str(value) if value else "·")
            if column == row or not value
            else Square(text=str(value), heat="hot", share=value / worst)
            for column, value in enumerate(values)
        ]


def _differences(difference: NDArray[np.int64]) -> Iterator[list[Square]]:
    """A hit more is as good as a mistake less."""
    largest = max(int(np.abs(difference).max()), 1)
    for row, values in enumerate(difference.tolist()):
        yield [
            Square(
                text=f"{value:+d}",
                heat="fixed" if (value > 0) == (column == row) else "broken",
                share=abs(value) / largest,
            )
            if value
            else Square(text="·")
            for column, value in enumerate(values)
        ]


def agreement_matrices(report: Report) -> list[Markup]:
    """How far each two cases agree, by every measure that the report holds; none where fewer than two are known."""
    look, known, pairs = Lookup(report), _answers(report)[:MOST_IN_MATRIX], Pairs(report)
    if len(known) < 2:
        return []
    names = [look.label(each.result) for each in known]
    found = [_heated(TITLES["top1"], names, _squares(known, lambda one, other: 1 - agreement(one, other), _agreeing))]
    if report.distances:
        found.append(_heated(TITLES["steps"], names, _squares(known, pairs.steps, as_steps)))
        found.append(_heated(TITLES["kl"], names, _squares(known, pairs.nats, as_nats)))
    return found


def _agreeing(differing: float | None) -> str:
    return f"{100 * (1 - (differing or 0.0)):.2f}"


def _squares(
    known: Sequence[Answers],
    distance: Callable[[Answers, Answers], float | None],
    text: Callable[[float | None], str],
) -> list[list[tuple[str, float]]]:
    """What each pair says, and how far apart the two are: none from itself, and 0 where nothing is known."""
    apart = [[0.0 if one is other else distance(one, other) for other in known] for one in known]
    return [[(text(each), each or 0.0) for each in row] for row in apart]


def _heated(title: str, names: Sequence[str], rows: Sequence[Sequence[tuple[str, float]]]) -> Markup:
    """The farther two are apart, the stronger the colour."""
    worst = max(distance for row in rows for _, distance in row) or 1.0
    squares = [
        [Square(text=text, heat="hot" if distance else "", share=distance / worst) for text, distance in row]
        for row in rows
    ]
    return _matrix(title, squares, names)
