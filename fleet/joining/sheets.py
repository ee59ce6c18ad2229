"""The tables of a fleet: machines, times, answers, and what to ship on each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from crossrt.fleet.joining.fleet import Group, Machine
from crossrt.reports.schema.records import Result
from crossrt.reports.tables.headline import change_text
from crossrt.reports.tables.latency import scenario_text
from crossrt.reports.tables.lookup import ABSENT, Scenario
from crossrt.reports.text.cells import Cell, Sheet, counted, title_of, value_text
from crossrt.reports.text.labels import runtime_text
from crossrt.reports.verdicts.choice.advice import Candidate

MOST_COLUMNS: Final = 4
"""Machines that stand side by side; more are told below each other."""

P50: Final = "latency_p50_ns"


def machine_sheet(group: Group) -> Sheet:
    """Each machine: processor, processors that may be used, versions of runtimes, and when it measured."""
    return Sheet(
        title="Machines",
        columns=("machine", "processor", "CPUs", "runtimes", "measured"),
        rows=tuple(_machine(each) for each in group.machines),
        wrapped=("processor", "runtimes"),
        dropped_first=("measured",),
    )


def _machine(machine: Machine) -> tuple[Cell, ...]:
    environment = machine.report.environment
    quota = environment.cpu_quota
    cpus = f"{len(environment.usable_cpus)} of {environment.logical_cpus}"
    limit = f", quota {quota:g}" if isinstance(quota, float | int) else ""
    versions = {each.runtime: each.runtime_version for each in machine.report.results if each.runtime_version}
    told = ", ".join(runtime_text(name, version) for name, version in versions.items())
    day = machine.report.run.started_at[:16].replace("T", " ")
    texts = (machine.name, environment.cpu_model, f"{cpus}{limit}", told or ABSENT, day)
    return tuple(Cell(text=text) for text in texts)


def latency_sheets(group: Group) -> Iterator[Sheet]:
    """p50 of each case on each machine, a table for each scenario; what each machine marks as its fastest is marked."""
    for scenario in group.scenarios():
        title = f"{scenario_text(scenario)}: {_title(group, P50)} of one call on each machine"
        yield _crossed(group, scenario, title, P50)


def answer_sheet(group: Group) -> Sheet | None:
    """The task's first metric on each machine, where any case differs between machines: at the smallest scenario."""
    primary = next((each.look.primary for each in group.machines if each.look.primary), None)
    scenarios = group.scenarios()
    if primary is None or not scenarios:
        return None
    differing = frozenset(each.case for each in group.cases(scenarios[0]) if _differs(group, each.case, primary.name))
    title = f"{title_of(primary)}: cases whose answers differ between machines"
    sheet = _crossed(group, scenarios[0], title, primary.name, only=differing)
    footer = ("the same file can answer otherwise on a processor with other instructions",)
    return replace(sheet, footer=footer) if differing else None


def _differs(group: Group, case: str, metric: str) -> bool:
    values = set()
    for machine in group.machines:
        result = machine.find(case)
        found = machine.look.metric(result, metric) if result else None
        values |= {found.value} if found else set()
    return len(values) > 1


def _crossed(group: Group, scenario: Scenario, title: str, metric: str, only: frozenset[str] | None = None) -> Sheet:
    """Cases by machines, or, where those are too many to stand side by side, a row for each pair."""
    marked = {each.name: each.fastest(scenario) if metric == P50 else frozenset() for each in group.machines}
    cases = [each for each in group.cases(scenario) if only is None or each.case in only]
    cells = {
        (case.case, each.name): _cell(each, case.case, metric, is_best=case.case in marked[each.name])
        for case in cases
        for each in group.machines
    }
    if len(group.machines) <= MOST_COLUMNS:
        names = tuple(each.name for each in group.machines)
        rows = tuple((_named(group, case), *(cells[case.case, name] for name in names)) for case in cases)
        return Sheet(title=title, columns=("case", *names), rows=rows)
    pairs = tuple(
        (_named(group, case), Cell(text=each.name), cells[case.case, each.name])
        for case in cases
        for each in group.machines
    )
    return Sheet(title=title, columns=("case", "machine", _title(group, metric)), rows=pairs, wrapped=("machine",))


def _named(group: Group, result: Result) -> Cell:
    owner = next(each for each in group.machines if each.find(result.case) is not None)
    return Cell(text=owner.look.label_of(result.case))


def _cell(machine: Machine, case: str, metric: str, *, is_best: bool) -> Cell:
    result = machine.find(case)
    if result is None:
        return Cell(text=ABSENT)
    if result.status != "ok":
        return Cell(text=result.status)
    found = machine.look.cell(result, metric, interval=metric == P50)
    return Cell(text=found.text, best=is_best)


def _title(group: Group, metric: str) -> str:
    definition = group.first.look.definitions.get(metric)
    return title_of(definition) if definition else metric


def ship_sheet(group: Group, drop: float) -> Sheet:
    """What to ship on each machine, chosen by the rule of `crossrt advise`."""
    look = group.first.look
    change = f"change of {look.primary.label}" if look.primary else "change"
    budget = f"the fastest of those that lose at most {100 * drop:g} pp (of a share) or {100 * drop:g}%"
    return Sheet(
        title="To ship on each machine",
        columns=("machine", "case", _title(group, P50), "speed-up", change, "size KB"),
        rows=tuple(_shipped(each, drop) for each in group.machines),
        wrapped=("case",),
        dropped_first=("size KB",),
        footer=(f"{budget}; speed-up and change: from {look.label_of(look.baseline)}",),
    )


def _shipped(machine: Machine, drop: float) -> tuple[Cell, ...]:
    advice = machine.advice(drop)
    if isinstance(advice, str) or advice.chosen is None or advice.shipped is None:
        reason = advice if isinstance(advice, str) else "nothing fits the budget"
        return (Cell(text=machine.name), Cell(text=reason), *(Cell(text=ABSENT) for _ in range(4)))
    chosen, look = advice.chosen, machine.look
    result, baseline = advice.shipped, advice.baseline
    size = look.metric(result, "size_bytes")
    return (
        Cell(text=machine.name),
        Cell(text=look.label(result) + ", as no case is proven to be faster" * (not advice.is_proven)),
        look.cell(result, P50, interval=True),
        Cell(text=_ratio(machine, result, baseline)),
        Cell(text=ABSENT if result is baseline else _change(machine, chosen, baseline)),
        Cell(text=value_text(size, look.definitions["size_bytes"]) if size else ABSENT),
    )


def _ratio(machine: Machine, result: Result, baseline: Result) -> str:
    """How often its time goes into the baseline's: of shared rounds where the report holds them."""
    if result.rounds and baseline.rounds:
        return f"{math.exp(machine.relating.latency_ratio(baseline, result).mean):.2f}"
    times = [machine.look.metric(each, P50) for each in (baseline, result)]
    return f"{times[0].value / times[1].value:.2f}" if times[0] and times[1] else ABSENT


def _change(machine: Machine, chosen: Candidate, baseline: Result) -> str:
    definition = machine.look.primary
    if definition is None or chosen.change is None:
        return ABSENT if chosen.error is None else f"error {chosen.error:.2%}"
    before = baseline.evaluation.values.get(definition.name) if baseline.evaluation else None
    return change_text(chosen.change, definition, before)


def older_text(group: Group) -> str | None:
    """How many runs are not shown because a newer one is."""
    older = sum(each.older for each in group.machines)
    return f"{counted(older, 'older run')} of the same machines not shown" if older else None
