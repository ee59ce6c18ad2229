"""How far each two cases agree, by every measure that the report holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from markupsafe import Markup

from crossrt.reports.page.answers import scored
from crossrt.reports.page.heat import Square, matrix
from crossrt.reports.schema.records import Report
from crossrt.reports.tables.agreement import Answers
from crossrt.reports.tables.agreement_matrix import TITLES, Pairs, as_nats, as_percent, as_relative, as_steps
from crossrt.reports.tables.lookup import Lookup

MOST_IN_MATRIX: Final = 24

_Rows = list[list[float | None]]
_Between = Callable[[Answers, Answers], float | None]


def agreement_matrices(report: Report) -> list[Markup]:
    """One matrix for each measure that any two cases have; none where there are fewer than two cases."""
    look, known = Lookup(report), scored(report)[:MOST_IN_MATRIX]
    if len(known) < 2:
        return []
    names = [look.label(each.result) for each in known]
    return list(_drawn(Pairs(report), names, known))


def _drawn(pairs: Pairs, names: Sequence[str], known: Sequence[Answers]) -> Iterator[Markup]:
    shares = _symmetric(pairs.agreement, known)
    differing = [[None if share is None else 1 - share for share in row] for row in shares]
    relative, steps = _symmetric(pairs.relative, known), _symmetric(pairs.steps, known)
    nats: _Rows = [[None if one is other else pairs.nats(one, other) for other in known] for one in known]
    for title, text, apart in (
        (TITLES["agreement"], lambda distance: as_percent(None if distance is None else 1 - distance), differing),
        (TITLES["relative"], as_relative, relative),
        (TITLES["steps"], as_steps, steps),
        (TITLES["kl"], as_nats, nats),
    ):
        if any(distance is not None for row in apart for distance in row):
            yield _heated(title, names, apart, text)


def _symmetric(between: _Between, known: Sequence[Answers]) -> _Rows:
    """Of each two cases, each pair once; None of a case and itself."""
    found: _Rows = [[None] * len(known) for _ in known]
    for row, one in enumerate(known):
        for column in range(row):
            found[row][column] = found[column][row] = between(known[column], one)
    return found


def _heated(title: str, names: Sequence[str], apart: _Rows, text: Callable[[float | None], str]) -> Markup:
    """The farther two are apart, the stronger the colour."""
    worst = max(distance or 0.0 for row in apart for distance in row) or 1.0
    squares = [
        [
            Square(text="·")
            if row == column
            else Square(text=text(distance), heat="hot" if distance else "", share=(distance or 0.0) / worst)
            for column, distance in enumerate(distances)
        ]
        for row, distances in enumerate(apart)
    ]
    return matrix(title, squares, names)
