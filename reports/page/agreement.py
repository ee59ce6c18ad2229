"""How far each two cases agree, by every measure that the report holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from crossrt.reports.page.answers import scored
from crossrt.reports.page.heat import Square, matrix
from crossrt.reports.schema.records import Distance, Report, Result
from crossrt.reports.statistics.paired import answered_alike
from crossrt.reports.tables.lookup import ABSENT, Lookup

MOST_IN_MATRIX: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A way to say how far two cases are apart.

    Attributes:
        title: Of its matrix.
        distance: Of the second case from the first; None where nothing is known, 0 where they are alike.
        text: How a distance is written.
    """

    title: str
    distance: Callable[[Result, Result], float | None]
    text: Callable[[float], str]


def agreement_matrices(report: Report) -> list[Markup]:
    """One matrix for each measure that any two cases have; none where there are fewer than two cases."""
    look, known, pairs = Lookup(report), scored(report)[:MOST_IN_MATRIX], _Pairs(report)
    if len(known) < 2:
        return []
    names = [look.label(result) for result in known]
    drawn = (_drawn(measure, names, known) for measure in pairs.measures())
    return [each for each in drawn if each is not None]


class _Pairs:
    """What is known of any two cases."""

    def __init__(self, report: Report) -> None:
        self._distances = {(each.one, each.other): each for each in report.distances}

    def measures(self) -> tuple[Measure, ...]:
        return (
            Measure(
                title="Same answer, in percent of samples",
                distance=self._differing,
                text=lambda share: f"{100 * (1 - share):.2f}",
            ),
            Measure(
                title="Relative difference of outputs, in percent",
                distance=lambda one, other: (found := self._of(one, other)) and found.relative,
                text=lambda share: f"{100 * share:.2g}" if share else "0",
            ),
            Measure(
                title="Largest difference of an output, in quantization steps (LSB)",
                distance=lambda one, other: (found := self._of(one, other)) and found.max_steps,
                text=lambda steps: f"{steps:.1f}",
            ),
            Measure(title="KL divergence of columns from rows, in nats", distance=self._nats, text=_short),
        )

    def _differing(self, one: Result, other: Result) -> float | None:
        found = self._of(one, other)
        if found is not None and found.agreement is not None:
            return 1 - found.agreement
        if one.evaluation is None or other.evaluation is None:
            return None
        alike = answered_alike(one.evaluation, other.evaluation)
        return None if alike is None else 1 - float(alike.mean())

    def _nats(self, one: Result, other: Result) -> float | None:
        if (found := self._distances.get((one.case, other.case))) is not None:
            return found.kl_nats
        found = self._distances.get((other.case, one.case))
        return found.kl_back_nats if found else None

    def _of(self, one: Result, other: Result) -> Distance | None:
        return self._distances.get((one.case, other.case)) or self._distances.get((other.case, one.case))


def _short(number: float) -> str:
    """Two digits, in few characters: `3.1e-4`."""
    return f"{number:.1e}".replace("e-0", "e-").replace("e+0", "e+").removesuffix("e+0") if number else "0"


def _drawn(measure: Measure, names: Sequence[str], known: Sequence[Result]) -> Markup | None:
    """The farther two are apart, the stronger the colour; None where no pair has the measure."""
    apart = [[None if one is other else measure.distance(one, other) for other in known] for one in known]
    found = [distance for row in apart for distance in row if distance is not None]
    if not found:
        return None
    worst = max(found) or 1.0
    squares = [
        [_square(measure, 0.0 if row == column else distance, worst) for column, distance in enumerate(distances)]
        for row, distances in enumerate(apart)
    ]
    return matrix(measure.title, squares, names)


def _square(measure: Measure, distance: float | None, worst: float) -> Square:
    if distance is None:
        return Square(text=ABSENT)
    return Square(text=measure.text(distance), heat="hot" if distance else "", share=distance / worst)
