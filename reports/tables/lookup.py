"""What the tables of a report look up: metrics by case and name, labels, the best of a column, noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.statistics.noise import Noise, noise_of
from crossrt.reports.text.cells import Cell

ABSENT = "-"
Scenario = tuple[int, int, str]


class Lookup:
    """A report, ready to be asked."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._noises: dict[Scenario, Noise | None] = {}
        self._metrics: Mapping[tuple[str, str], Metric] = {(each.case, each.name): each for each in report.metrics}

    def metric(self, result: Result, name: str) -> Metric | None:
        """A metric of a case, where it has it."""
        return self._metrics.get((result.case, name))

    def noise(self, scenario: Scenario) -> Noise | None:
        """The A/A control of a scenario."""
        if scenario not in self._noises:
            self._noises[scenario] = noise_of(self.report, scenario)
        return self._noises[scenario]

    def label(self, result: Result) -> str:
        """The name of a case in a table."""
        return self.label_of(result.case)

    def label_of(self, case: str) -> str:
        """`variant@runtime`, with the model in front only where there are several."""
        subject = case.partition("/")[0]
        models = {artifact.model for artifact in self.report.artifacts}
        native = "/native" if case.endswith("/native") else ""
        model, dot, rest = subject.partition(".")
        return (rest if dot and models <= {model} else subject) + native

    def cell(
        self, result: Result, name: str, text: Callable[[Metric], str], best: Mapping[str, frozenset[str]]
    ) -> Cell:
        """A metric as text, marked where the case is among the best of its name."""
        metric = self.metric(result, name)
        if metric is None:
            return Cell(text=ABSENT)
        return Cell(text=text(metric), best=result.case in best.get(name, ()))

    def extreme(self, name: str, results: Sequence[Result]) -> frozenset[str]:
        """Cases with the best value of a metric."""
        found = [metric for result in results if (metric := self.metric(result, name))]
        if len(found) < 2:
            return frozenset()
        values = [metric.value for metric in found]
        wanted = min(values) if found[0].direction == "smaller_is_better" else max(values)
        return frozenset(metric.case for metric in found if metric.value == wanted)
