"""A fleet as a page: what to ship where, times as a figure, and all tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from markupsafe import Markup

from crossrt.fleet.joining.fleet import Group, Machine
from crossrt.fleet.joining.sheets import P50, answer_sheet, latency_sheets, machine_sheet, ship_sheet
from crossrt.fleet.joining.words import about, cautions, headline, notes
from crossrt.reports.page.document import Header, Section, document, figure, joined, table
from crossrt.reports.page.figures import COLORS, as_svg, dot, legend_below, new_figure, shortened
from crossrt.reports.page.ticks import log_ticks
from crossrt.reports.tables.latency import scenario_text
from crossrt.reports.tables.lookup import Scenario
from crossrt.reports.text.cells import counted

WIDTH_IN: Final = 9.0
_CASE_IN: Final = 0.28


def fleet_page(groups: Sequence[Group], drop: float) -> str:
    """HTML that needs nothing beside it: one part for each model and its data."""
    sections = [part for place, group in enumerate(groups, 1) for part in _sections(group, place, drop)]
    header = Header(
        verdict=[line for group in groups for line in headline(group, drop)],
        facts=[about(group) for group in groups],
        cautions=[line for group in groups for line in cautions(group)],
    )
    return document("crossrt fleet", sections, header)


def _sections(group: Group, place: int, drop: float) -> Iterator[Section]:
    yield Section(id=f"ship-{place}", title=about(group), body=table(ship_sheet(group, drop)))
    yield Section(id=f"machines-{place}", title="Machines", body=table(machine_sheet(group)))
    for number, (scenario, sheet) in enumerate(zip(group.scenarios(), latency_sheets(group), strict=True)):
        body = joined([*_figures(group, scenario), table(sheet)])
        yield Section(id=f"times-{place}-{number}", title=scenario_text(scenario), body=body)
    if (answers := answer_sheet(group)) is not None:
        yield Section(id=f"answers-{place}", title="Answers that differ", body=table(answers))
    if lines := notes(group):
        items = Markup("").join(Markup("<p>{}</p>").format(line) for line in lines)
        yield Section(id=f"notes-{place}", title="Notes", body=items)


def _figures(group: Group, scenario: Scenario) -> list[Markup]:
    """p50 of every case, a colour for each machine; none without times, or for more machines than colours."""
    numbered = list(enumerate(group.machines))
    points = [(place, machine, *point) for place, machine in numbered for point in _points(machine, scenario)]
    if not points or len(group.machines) > len(COLORS):
        return []
    names = list(dict.fromkeys(name for _, _, name, _ in points))
    drawing, axes = new_figure(
        WIDTH_IN,
        1.2 + _CASE_IN * len(names),
        names=[shortened(name) for name in names],
        legend=[machine.name for machine in group.machines],
    )
    axes.set_xscale("log")
    axes.set_xlabel("p50 of one call, µs")
    axes.set_yticks(range(len(names)), [shortened(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    log_ticks(axes.xaxis)
    for place, machine, name, value in points:
        dot(axes, value, names.index(name), COLORS[place], text=f"{name} on {machine.name}: {value:.4g} µs")
    for place, machine in numbered:
        axes.plot([], [], "o", color=COLORS[place], label=machine.name)
    legend_below(drawing, axes)
    what = f"p50 of {counted(len(names), 'case')} on {counted(len(group.machines), 'machine')}"
    return [figure(as_svg(drawing, what), what, f"{what}; {scenario_text(scenario)}. To the left is better.")]


def _points(machine: Machine, scenario: Scenario) -> Iterator[tuple[str, float]]:
    """Names of cases and microseconds."""
    for result in machine.results(scenario):
        if (metric := machine.look.metric(result, P50)) is not None:
            yield machine.look.label(result), metric.value / 1000
