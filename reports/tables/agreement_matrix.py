"""How far each two cases of a report agree: in their answers, in steps of their outputs, in their probabilities."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final, Literal

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Distance, Report
from crossrt.reports.tables.agreement import Answers, agreement
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.text.cells import Cell, Sheet

Measure = Literal["top1", "steps", "kl"]

MOST_PAIRS: Final = 8
"""Pairs that are listed where a matrix would be too wide."""

_GAP: Final = 2
_LEAST_NATS: Final = 1e-9
TITLES: Final = {
    "top1": "Same answer, in percent of the digits",
    "steps": "Largest difference of a logit, in steps",
    "kl": "Divergence of columns from rows, in nats",
}
LEGENDS: Final = {
    "top1": "--measure steps or kl: how far logits or probabilities are apart.",
    "steps": "steps: of the integers that the output is made from, the coarser of two; - where neither has any.",
    "kl": "divergence: mean over digits of sum p log(p / q), p the softmax of the row's logits and q of the column's.",
}
_ORDERS: Final = {"top1": "agree least", "steps": "are most steps apart", "kl": "diverge most"}


class Pairs:
    """What is known of any two cases."""

    def __init__(self, report: Report) -> None:
        self._distances = {(each.one, each.other): each for each in report.distances}

    def steps(self, one: Answers, other: Answers) -> float | None:
        """Largest difference of a logit in steps; None where neither output has steps, or nothing is known."""
        found = self._of(one, other) or self._of(other, one)
        return found.max_steps if found else None

    def nats(self, one: Answers, other: Answers) -> float | None:
        """Mean divergence of the probabilities of `other` from those of `one`."""
        if (found := self._of(one, other)) is not None:
            return found.kl_nats
        found = self._of(other, one)
        return found.kl_back_nats if found else None

    def _of(self, one: Answers, other: Answers) -> Distance | None:
        return self._distances.get((one.result.case, other.result.case))


def agreement_sheet(report: Report, chosen: Sequence[Answers], measure: Measure, width: int) -> Sheet:
    """Every pair in a matrix; where that would be too wide, the pairs that are farthest apart.

    Args:
        report: Holds the cases.
        chosen: Cases to hold against each other.
        measure: What the matrix shows, or what the pairs are ordered by.
        width: Signs that a line has room for.

    Raises:
        ReportError: The measure needs logits, and the report was made by a crossrt that did not compare them.
    """
    if measure != "top1" and not report.distances:
        raise ReportError(f"this report does not hold what {measure} needs: measure it again with crossrt bench")
    matrix = _matrix(report, chosen, measure)
    return matrix if _width(matrix) <= width else _farthest(report, chosen, measure)


def _matrix(report: Report, chosen: Sequence[Answers], measure: Measure) -> Sheet:
    look, pairs = Lookup(report), Pairs(report)
    letters = [_letters(place) for place in range(len(chosen))]
    rows = []
    for place, one in enumerate(chosen):
        shown = chosen if measure == "kl" else chosen[: place + 1]
        cells = [Cell(text=_text(pairs, one, other, measure)) for other in shown]
        cells += [Cell(text="")] * (len(chosen) - len(shown))
        rows.append((Cell(text=f"{letters[place]}  {look.label(one.result)}"), *cells))
    return Sheet(title=TITLES[measure], columns=("case", *letters), rows=tuple(rows))


def _letters(place: int) -> str:
    """A to z, then aa, ab and so on."""
    rest, last = divmod(place, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("a") + last)


def _width(sheet: Sheet) -> int:
    texts = [sheet.columns, *([cell.text for cell in row] for row in sheet.rows)]
    widest = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return sum(widest) + _GAP * len(widest)


def _text(pairs: Pairs, one: Answers, other: Answers, measure: Measure) -> str:
    if measure == "top1":
        return f"{100 * agreement(one, other):.2f}"
    if one is other:
        return "·"
    return as_steps(pairs.steps(one, other)) if measure == "steps" else as_nats(pairs.nats(one, other))


def as_steps(steps: float | None) -> str:
    """With one decimal."""
    return ABSENT if steps is None else f"{steps:.1f}"


def as_nats(nats: float | None) -> str:
    """Two digits, in few signs: `3.1e-4`."""
    if nats is None:
        return ABSENT
    if 0 < nats < _LEAST_NATS:
        return f"<{_LEAST_NATS:.0e}".replace("e-0", "e-")
    return "0" if nats == 0 else f"{nats:.1e}".replace("e-0", "e-").replace("e+0", "e+").removesuffix("e+0")


def _farthest(report: Report, chosen: Sequence[Answers], measure: Measure) -> Sheet:
    look, pairs = Lookup(report), Pairs(report)
    found = list(itertools.combinations(chosen, 2))
    rows = [
        tuple(map(_cell, (look.label(one.result), look.label(other.result), *_measures(pairs, one, other))))
        for one, other in sorted(found, key=lambda pair: _nearness(pairs, pair, measure))[:MOST_PAIRS]
    ]
    columns: tuple[str, ...] = ("case", "and", "same answer %", "steps", "nats", "back")
    title = f"The {len(rows)} of {len(found):,} pairs that {_ORDERS[measure]} (--only chooses cases)"
    if not report.distances:
        columns, rows = columns[:3], [row[:3] for row in rows]
    return Sheet(title=title, columns=columns, rows=tuple(rows))


def _cell(text: str) -> Cell:
    return Cell(text=text)


def _measures(pairs: Pairs, one: Answers, other: Answers) -> tuple[str, ...]:
    nats = (pairs.nats(one, other), pairs.nats(other, one))
    return f"{100 * agreement(one, other):.2f}", as_steps(pairs.steps(one, other)), *map(as_nats, nats)


def _nearness(pairs: Pairs, pair: tuple[Answers, Answers], measure: Measure) -> float:
    """Ascending from the farthest pair; a pair without the measure comes last."""
    one, other = pair
    if measure == "top1":
        return agreement(one, other)
    both = [pairs.steps(one, other)] if measure == "steps" else [pairs.nats(one, other), pairs.nats(other, one)]
    known = [each for each in both if each is not None]
    return -max(known) if known else math.inf
