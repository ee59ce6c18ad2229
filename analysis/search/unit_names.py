"""Names of units in tables: what sets each apart from the others, without what all of them share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from crossrt.analysis.search.plans import candidate_name
from crossrt.analysis.search.result import REPORT, Candidate, SearchReport

JOIN: Final = " to "
"""Between the first and the last unit of a group."""


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Each name by the fewest leading parts of its path that no other has, without the parts that all begin with."""
    paths = {name: tuple(part for part in name.split("/") if part) or (name,) for name in names}
    if len(paths) < 2:
        return {name: name for name in names}
    while all(len(path) > 1 for path in paths.values()) and len({path[0] for path in paths.values()}) == 1:
        paths = {name: path[1:] for name, path in paths.items()}
    heads = Counter(path[:count] for path in paths.values() for count in range(1, len(path) + 1))
    return {name: "/".join(_unique(path, heads)) for name, path in paths.items()}


def _unique(path: tuple[str, ...], heads: Mapping[tuple[str, ...], int]) -> tuple[str, ...]:
    return next((path[:count] for count in range(1, len(path)) if heads[path[:count]] == 1), path)


def _changed(candidate: Candidate) -> tuple[Sequence[str], ...]:
    """The units that are not quantized as the recipe says of all."""
    return candidate.float_units, candidate.wide_units, candidate.channel_units


class UnitNames:
    """How the units of a search are called where there is little room."""

    def __init__(self, report: SearchReport) -> None:
        units = [each.unit.name for each in report.sensitivities]
        units += [name for each in report.candidates for names in _changed(each) for name in names]
        self._short = short_names(list(dict.fromkeys(end for name in units for end in name.split(JOIN))))
        self._names = units

    def unit(self, name: str) -> str:
        """A unit, or the first and the last of a group."""
        return JOIN.join(self._short.get(end, end) for end in name.split(JOIN))

    def candidate(self, candidate: Candidate) -> str:
        """A candidate with the units that are not as its recipe says."""
        units = [[self.unit(name) for name in names] for names in _changed(candidate)]
        return candidate_name(candidate.name.partition("; ")[0], *units) if any(units) else candidate.name

    def legend(self) -> list[str]:
        """What a reader has to know about them."""
        changed = [(short, name) for name, short in self._short.items() if short != name]
        told = [f"names of units are shortened: {short} is {name}; all are in {REPORT}" for short, name in changed[:1]]
        return [*told, *self.groups()]

    def groups(self) -> list[str]:
        """What a name of two units means, where there is one."""
        told = "X to Y: all units from X to Y as one, for lack of time to try each by itself"
        return [told] if any(JOIN in name for name in self._names) else []
