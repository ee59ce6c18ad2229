"""The cases that no other beats in latency, size and accuracy at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.accuracy import largest_error
from crossrt.reports.tables.latency import scenario_text
from crossrt.reports.tables.lookup import Lookup, Scenario
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.verdicts.choice.relations import MEASURES, Relating, Relations


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
