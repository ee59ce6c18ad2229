"""Machines side by side: one group for each model and its data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from crossrt.fleet.joining.runs import SHORT, Chosen, Member
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.lookup import Lookup, Scenario
from crossrt.reports.tables.order import fastest_of
from crossrt.reports.verdicts.choice.advice import Advice, Budget, advise
from crossrt.reports.verdicts.choice.relations import Relating


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine with its newest run of a model.

    Attributes:
        name: Its own, or the beginning of its key.
        key: Of everything that must be equal for times to be compared.
        is_named: Whether somebody gave it a name, which distinguishes it from others of equal hardware.
        report: Of the run.
        older: How many older runs of the same are not shown.
    """

    name: str
    key: str
    is_named: bool
    report: Report
    older: int

    @cached_property
    def look(self) -> Lookup:
        """The report, ready to be asked."""
        return Lookup(self.report)

    @cached_property
    def relating(self) -> Relating:
        """How its cases stand to each other."""
        return Relating(self.report)

    def find(self, case: str) -> Result | None:
        """A case by its id, where this machine has it."""
        return next((each for each in self.report.results if each.case == case), None)

    def results(self, scenario: Scenario) -> list[Result]:
        """What was measured in a scenario."""
        return [each for each in self.report.results if each.status == "ok" and scenario_of(each) == scenario]

    def fastest(self, scenario: Scenario) -> frozenset[str]:
        """The cases that its own table marks as the fastest of a scenario."""
        found = fastest_of(self.look, self.results(scenario))
        return found.marked if found else frozenset()

    def advice(self, drop: float) -> Advice | str:
        """What to ship there, or why nothing can be said."""
        try:
            return advise(self.report, Budget(drop=drop))
        except ReportError as error:
            return str(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The machines that measured one model on the same data.

    Attributes:
        machines: In the order of their names.
    """

    machines: tuple[Machine, ...]

    @property
    def first(self) -> Machine:
        """Any of them, for what all have in common."""
        return self.machines[0]

    def scenarios(self) -> list[Scenario]:
        """All that any machine measured, smallest batch first."""
        return sorted({scenario_of(result) for machine in self.machines for result in machine.report.results})

    def cases(self, scenario: Scenario) -> Iterator[Result]:
        """Every case of a scenario once, as the first machine that has it tells it."""
        seen = set()
        for machine in self.machines:
            for result in machine.report.results:
                if scenario_of(result) == scenario and result.case not in seen:
                    seen.add(result.case)
                    yield result


def groups_of(chosen: Chosen) -> list[Group]:
    """Machines under names that differ: where two have the same, the key follows it."""
    names = _names([member for members in chosen.groups.values() for member in members])
    return [
        Group(machines=tuple(sorted((_machine(each, names) for each in members), key=lambda machine: machine.name)))
        for members in chosen.groups.values()
    ]


def _machine(member: Member, names: Mapping[tuple[str, str | None], str]) -> Machine:
    return Machine(
        name=names[member.key, member.name],
        key=member.key,
        is_named=member.name is not None,
        report=member.report,
        older=member.older,
    )


def _names(members: Sequence[Member]) -> dict[tuple[str, str | None], str]:
    """A name for each machine, by its key and what it is called."""
    known = dict.fromkeys((each.key, each.name) for each in members)
    shared = Counter(name for _, name in known)
    return {(key, name): name if name and shared[name] == 1 else _with_key(name, key) for key, name in known}


def _with_key(name: str | None, key: str) -> str:
    return f"{name}-{key[:SHORT]}" if name else key[:SHORT]
