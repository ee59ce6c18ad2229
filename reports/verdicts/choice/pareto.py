"""The cases that no other beats in latency, size and accuracy at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.accuracy import largest_error
from crossrt.reports.tables.latency import scenario_text
from crossrt.reports.tables.lookup import Lookup, Scenario
from crossrt.reports.text.cells import Cell, Sheet, unit_of
from crossrt.reports.verdicts.choice.relations import MEASURES, Relating, Relations, relative_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One case among the others of its scenario.

    Attributes:
        result: The case.
        beaten_by: The fastest case that beats it, one of the front where there is one; None on the front.
        how: How that one stands to it.
    """

    result: Result
    beaten_by: Result | None = None
    how: Relations | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """All measured cases of a scenario, fastest first."""

    scenario: Scenario
    standings: tuple[Standing, ...]

    @property
    def unbeaten(self) -> tuple[Standing, ...]:
        """The Pareto front."""
        return tuple(each for each in self.standings if each.beaten_by is None)


def fronts(report: Report) -> list[Front]:
    """One front for each scenario with measured cases."""
    relating = Relating(report)
    measured = [result for result in report.results if result.status == "ok" and result.rounds]
    scenarios = dict.fromkeys(scenario_of(result) for result in measured)
    return [_front(relating, scenario, [r for r in measured if scenario_of(r) == scenario]) for scenario in scenarios]


def _front(relating: Relating, scenario: Scenario, results: Sequence[Result]) -> Front:
    ordered = sorted(results, key=lambda result: (p50(relating.look, result), result.case))
    unbeaten = [each for each in ordered if _standing(relating, each, ordered).beaten_by is None]
    candidates = [*unbeaten, *(each for each in ordered if each not in unbeaten)]
    return Front(scenario=scenario, standings=tuple(_standing(relating, each, candidates) for each in ordered))


def p50(look: Lookup, result: Result) -> float:
    """Median latency in nanoseconds; infinite where there is none."""
    metric = look.metric(result, "latency_p50_ns")
    return metric.value if metric else float("inf")


def _standing(relating: Relating, result: Result, others: Sequence[Result]) -> Standing:
    for other in others:
        if other is not result and relating.beats(other, result):
            return Standing(result=result, beaten_by=other, how=relating.relations(other, result))
    return Standing(result=result)


def front_sheet(report: Report, front: Front) -> Sheet:
    """A row for each case: its measures, and who beats it in what."""
    relating = Relating(report)
    look = relating.look
    rows = [
        (
            Cell(text=look.label(each.result)),
            look.cell(each.result, "latency_p50_ns", interval=True),
            look.cell(each.result, "size_bytes"),
            _accuracy(look, each.result),
            _verdict(each, relating),
        )
        for each in front.standings
    ]
    title = f"{scenario_text(front.scenario)}: unbeaten are {len(front.unbeaten)} of {len(rows)} cases"
    accuracy = look.title(look.primary.name) if look.primary else "error %"
    columns = ("case", look.title("latency_p50_ns"), look.title("size_bytes"), accuracy, "beaten by, in")
    dropped = (columns[2], accuracy, columns[1])
    return Sheet(title=title, columns=columns, rows=tuple(rows), dropped_first=dropped, wrapped=columns[-1:])


def _accuracy(look: Lookup, result: Result) -> Cell:
    if look.primary is not None:
        return look.cell(result, look.primary.name, interval=True)
    return Cell(text=largest_error(result.evaluation))


def _verdict(standing: Standing, relating: Relating) -> Cell:
    if standing.beaten_by is None or standing.how is None:
        return Cell(text="unbeaten", tone="good")
    better = [name for name in MEASURES if getattr(standing.how, name) == "better"]
    return Cell(text=f"{relating.look.label(standing.beaten_by)}: {', '.join(better)}")


NOTE = (
    "unbeaten: no other case is better in latency, size or accuracy without being worse in another. Latencies are"
    " distinguished by 99% intervals over shared rounds and the run's noise, or where their own intervals lie apart;"
    " they beat nothing where the rounds are too few to say. Accuracy is distinguished by a paired test at 1%, sizes"
    " from 1% on; what is statistically indistinguishable counts as even. A beaten case is shown with the fastest that"
    " beats it."
)


def front_plot(report: Report, front: Front, width: int) -> str:
    """The metric that the task is about, or the relative error, and latency as text; empty where nothing is known."""
    from uniplot import plot_to_string

    relating = Relating(report)
    groups = {
        "unbeaten": [each.result for each in front.standings if each.beaten_by is None],
        "beaten": [each.result for each in front.standings if each.beaten_by is not None],
    }
    points = {name: list(_points(relating.look, results)) for name, results in groups.items()}
    named = {name: found for name, found in points.items() if found}
    if not named:
        return ""
    primary = relating.look.primary
    return str(
        plot_to_string(
            xs=[[x for x, _ in found] for found in named.values()],
            ys=[[y for _, y in found] for found in named.values()],
            legend_labels=list(named),
            title=f"{primary.label if primary else 'relative error'} and p50",
            x_unit=" µs",
            y_unit=f" {unit_of(primary) if primary else '%'}".rstrip(),
            width=width - 16,
            height=10,
            character_set="ascii",
            color=False,
        )
    )


def _points(look: Lookup, results: Sequence[Result]) -> Iterator[tuple[float, float]]:
    for result in results:
        x, y = p50(look, result) / 1000, _height(look, result)
        if y is not None and math.isfinite(x):
            yield x, y


def _height(look: Lookup, result: Result) -> float | None:
    if look.primary is None:
        error = relative_error(result)
        return None if error is None else 100 * error
    metric = look.metric(result, look.primary.name)
    if metric is None:
        return None
    return 100 * metric.value if look.primary.format == "percent" else metric.value
