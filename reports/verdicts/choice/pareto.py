"""The cases that no other beats in latency, size and accuracy at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.lookup import Lookup, Scenario
from crossrt.reports.text.cells import Cell, Sheet, counted, microseconds_with_interval, share_with_interval
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
    rows = []
    for each in front.standings:
        result = each.result
        rows.append(
            (
                Cell(text=look.label(result)),
                look.cell(result, "latency_p50_ns", microseconds_with_interval, {}),
                look.cell(result, "size_bytes", lambda m: f"{m.value / 1000:.1f}", {}),
                look.cell(result, "top1", share_with_interval, {}),
                _verdict(each, relating),
            )
        )
    batch_size, threads, _ = front.scenario
    title = f"Batch {batch_size}, {counted(threads, 'thread')}: unbeaten are {len(front.unbeaten)} of {len(rows)} cases"
    return Sheet(title=title, columns=("case", "p50 µs", "KB", "top-1 %", "beaten by, in"), rows=tuple(rows))


def _verdict(standing: Standing, relating: Relating) -> Cell:
    if standing.beaten_by is None or standing.how is None:
        return Cell(text="unbeaten", tone="good")
    better = [name for name in MEASURES if getattr(standing.how, name) == "better"]
    return Cell(text=f"{relating.look.label(standing.beaten_by)}: {', '.join(better)}")


NOTE = (
    "unbeaten: no other case is better in latency, size or accuracy without being worse in another. Latencies are told"
    " apart by 99% intervals over shared rounds and the run's noise, accuracies by the digits on which two cases"
    " differ (exact McNemar at 1%); what cannot be told apart counts as even. A case that is beaten is shown with the"
    " fastest that beats it."
)


def front_plot(report: Report, front: Front, width: int) -> str:
    """Top-1 against latency as text."""
    from uniplot import plot_to_string

    relating = Relating(report)
    groups = {
        "unbeaten": [each.result for each in front.standings if each.beaten_by is None],
        "beaten": [each.result for each in front.standings if each.beaten_by is not None],
    }
    named = {name: results for name, results in groups.items() if results}
    return str(
        plot_to_string(
            xs=[[p50(relating.look, each) / 1000 for each in results] for results in named.values()],
            ys=[[_top1(relating, each) for each in results] for results in named.values()],
            legend_labels=list(named),
            title="top-1 against p50",
            x_unit=" µs",
            y_unit=" %",
            width=width - 16,
            height=10,
            character_set="ascii",
            color=False,
        )
    )


def _top1(relating: Relating, result: Result) -> float:
    metric = relating.look.metric(result, "top1")
    return 100 * metric.value if metric else 0.0
