"""How far each two cases of a report agree: in answers, outputs and probabilities."""

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

Measure = Literal["agreement", "relative", "steps", "kl"]

MOST_PAIRS: Final = 8
"""Pairs that are listed where a matrix would be too wide."""

_DROPPED_FIRST: Final = ("back", "nats", "steps", "error %")

_GAP: Final = 2
_LEAST_NATS: Final = 1e-9
TITLES: Final = {
    "agreement": "Same answer, in percent of the samples",
    "relative": "Difference of outputs, in percent of their norm",
    "steps": "Largest difference of an output, in quantization steps (LSB)",
    "kl": "Divergence of columns from rows, in nats",
}
LEGENDS: Final = {
    "agreement": "--measure relative, steps or kl: how far outputs or probabilities are apart.",
    "relative": "||x - x'|| / ||x||, the largest over outputs, x being the outputs of the first of two cases.",
    "steps": "quantization steps (LSB) of the output, the coarser of two; - where neither comes from integers.",
    "kl": "divergence: mean over samples of sum p log(p / q), p of the row's probabilities and q of the column's.",
}
_ORDERS: Final = {
    "agreement": "agree least",
    "relative": "differ most",
    "steps": "are most steps apart",
    "kl": "diverge most",
}


class Pairs:
    """What is known of any two cases."""

    def __init__(self, report: Report) -> None:
        self._distances = {(each.one, each.other): each for each in report.distances}

    def steps(self, one: Answers, other: Answers) -> float | None:
        """Largest difference of an output in steps; None where neither comes from integers, or nothing is known."""
        found = self._of(one, other) or self._of(other, one)
        return found.max_steps if found else None

    def relative(self, one: Answers, other: Answers) -> float | None:
        """Norm of the difference of outputs, as a share of that of the first."""
        found = self._of(one, other) or self._of(other, one)
        return found.relative if found else None

    def agreement(self, one: Answers, other: Answers) -> float | None:
        """Share of samples that both answer alike: from their predictions, else as the run found it."""
        if (alike := agreement(one, other)) is not None:
            return alike
        found = self._of(one, other) or self._of(other, one)
        return found.agreement if found else None

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
        chosen: Cases to compare with each other.
        measure: What the matrix shows, or what the pairs are ordered by.
        width: Characters that a line has room for.

    Raises:
        ReportError: The measure needs outputs, and the report holds no distances between them.
    """
    if measure != "agreement" and not report.distances:
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
    if measure == "agreement":
        return as_percent(pairs.agreement(one, other))
    if one is other:
        return "·"
    if measure == "relative":
        return as_relative(pairs.relative(one, other))
    return as_steps(pairs.steps(one, other)) if measure == "steps" else as_nats(pairs.nats(one, other))


def as_percent(share: float | None) -> str:
    """With two decimals."""
    return ABSENT if share is None else f"{100 * share:.2f}"


def as_relative(share: float | None) -> str:
    """In percent, two significant digits."""
    return ABSENT if share is None else f"{100 * share:.2g}"


def as_steps(steps: float | None) -> str:
    """With one decimal."""
    return ABSENT if steps is None else f"{steps:.1f}"


def as_nats(nats: float | None) -> str:
    """Two significant digits, in few characters: `3.1e-4`."""
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
    columns: tuple[str, ...] = ("case", "and", "same answer %", "error %", "steps", "nats", "back")
    title = f"The {len(rows)} of {len(found):,} pairs that {_ORDERS[measure]} (--only chooses cases)"
    if not report.distances:
        columns, rows = columns[:3], [row[:3] for row in rows]
    return Sheet(title=title, columns=columns, rows=tuple(rows), dropped_first=_DROPPED_FIRST, wrapped=("and",))


def _cell(text: str) -> Cell:
    return Cell(text=text)


def _measures(pairs: Pairs, one: Answers, other: Answers) -> tuple[str, ...]:
    nats = (pairs.nats(one, other), pairs.nats(other, one))
    same, relative = as_percent(pairs.agreement(one, other)), as_relative(pairs.relative(one, other))
    return same, relative, as_steps(pairs.steps(one, other)), *map(as_nats, nats)


def _nearness(pairs: Pairs, pair: tuple[Answers, Answers], measure: Measure) -> float:
    """Ascending from the farthest pair; a pair without the measure comes last."""
    one, other = pair
    if measure == "agreement":
        alike = pairs.agreement(one, other)
        return math.inf if alike is None else alike
    both = [pairs.nats(one, other), pairs.nats(other, one)]
    if measure != "kl":
        both = [pairs.steps(one, other) if measure == "steps" else pairs.relative(one, other)]
    known = [each for each in both if each is not None]
    return -max(known) if known else math.inf
