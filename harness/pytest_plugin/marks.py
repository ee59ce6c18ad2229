"""The marks: what a test allows. Imported by every session: standard library and pytest only."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pytest

Kind = Literal["limit_slowdown", "limit_accuracy_drop", "limit_regressions"]

DESCRIPTIONS: Final = (
    "limit_slowdown(limit, against=None): fail if anything that the test measures with the fixture `crossrt` became"
    ' slower than the baseline by more than `limit`, such as "5%".',
    "limit_accuracy_drop(limit, against=None): fail if the metric of the task became worse than in the baseline by more"
    ' than `limit`: percentage points for shares, such as "0.5pp", else percent, such as "2%".',
    "limit_regressions(*margins, against=None): fail where `crossrt compare` would; margins are those of its --margin,"
    ' such as "latency_p50_ns=3%".',
)
_LIMIT: Final = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|pp)\s*")
_EXAMPLES: Final = {"limit_slowdown": '"5%"', "limit_accuracy_drop": '"0.5pp" or "2%"'}
_UNITS: Final = {"limit_slowdown": ("%",), "limit_accuracy_drop": ("%", "pp")}
_MARGIN: Final = re.compile(r"(?:[^:=]+:)?[\w*?.-]+=(?:\d+(?:\.\d+)?(?:%|pp)?|off)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a mark allows.

    Attributes:
        kind: The mark.
        share: The limit as a share; 0 for `limit_regressions`.
        unit: How the limit was written: `%` or `pp`.
        margins: Those of `limit_regressions`.
        against: The baseline as it was written, or None for that of the session.
    """

    kind: Kind
    share: float = 0.0
    unit: str = "%"
    margins: tuple[str, ...] = ()
    against: str | None = None

    def __str__(self) -> str:
        """The mark as it was written, without the baseline."""
        written = ", ".join(self.margins) if self.kind == "limit_regressions" else f"{100 * self.share:g}{self.unit}"
        return f"{self.kind}({written})"


def limits_of(item: pytest.Item) -> tuple[Limit, ...]:
    """The limits of a test: of each kind the closest mark.

    Raises:
        UsageError: A mark has wrong arguments.
    """
    return tuple(_limits(item))


def _limits(item: pytest.Item) -> Iterator[Limit]:
    kinds: tuple[Kind, ...] = ("limit_slowdown", "limit_accuracy_drop", "limit_regressions")
    for kind in kinds:
        mark = item.get_closest_marker(kind)
        if mark is None:
            continue
        try:
            yield _parsed(kind, mark.args, dict(mark.kwargs))
        except ValueError as error:
            raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.{kind}: {error}") from None


def _parsed(kind: Kind, arguments: tuple[object, ...], keywords: dict[str, object]) -> Limit:
    against = keywords.pop("against", None)
    if keywords:
        raise ValueError(f"unknown argument {next(iter(keywords))!r}; the only keyword is against")
    if against is not None and (not isinstance(against, str | Path) or not str(against)):
        raise ValueError(f"against must be the path of a baseline; found {against!r}")
    place = None if against is None else str(against)
    if kind == "limit_regressions":
        return Limit(kind=kind, margins=tuple(_margin(each) for each in arguments), against=place)
    if len(arguments) != 1:
        raise ValueError(f"one limit is expected, such as {_EXAMPLES[kind]}; found {len(arguments)} arguments")
    share, unit = _share(kind, arguments[0])
    return Limit(kind=kind, share=share, unit=unit, against=place)


def _share(kind: Kind, text: object) -> tuple[float, str]:
    match = _LIMIT.fullmatch(text) if isinstance(text, str) else None
    if match is None or match["unit"] not in _UNITS[kind]:
        raise ValueError(f"the limit {text!r} is not written like {_EXAMPLES[kind]}")
    percent = float(match["number"])
    if not math.isfinite(percent) or percent > 1000:
        raise ValueError(f"the limit {text!r} is not between 0 and 1000")
    return percent / 100, match["unit"]


def _margin(text: object) -> str:
    if not isinstance(text, str) or not _MARGIN.fullmatch(text.strip()):
        raise ValueError(f"the margin {text!r} is not written [CASES:]METRIC=PERCENT%, such as latency_p50_ns=3%")
    return text
