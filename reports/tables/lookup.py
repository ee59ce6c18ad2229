"""What the tables of a report look up: metrics by case and name, definitions, labels, the best of a column, noise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.statistics.noise import Noise, noise_of
from crossrt.reports.statistics.paired import paired_change
from crossrt.reports.text.cells import Cell, interval_text, title_of, value_text
from crossrt.reports.text.labels import reference_name, subject_labels

ABSENT: Final = "-"
AGREEMENT: Final = "agreement"
ALPHA: Final = 0.025
Scenario = tuple[int, int, str]


class Lookup:
    """A report, ready to be asked.

    Attributes:
        report: The report.
        definitions: Its metrics by name.
        primary: The metric that the task is about, where any case has it; else the first of the task that one has.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.definitions: Mapping[str, MetricDefinition] = {each.name: each for each in report.definitions}
        self._noises: dict[Scenario, Noise | None] = {}
        self._metrics: Mapping[tuple[str, str], Metric] = {(each.case, each.name): each for each in report.metrics}
        self._labels = subject_labels(report.results)
        self._subjects = {result.case: result for result in report.results}
        scored = {name for each in report.results if each.evaluation for name in each.evaluation.values}
        self.primary: MetricDefinition | None = next((d for d in report.definitions if d.name in scored), None)

    def metric(self, result: Result, name: str) -> Metric | None:
        """A metric of a case, where it has it."""
        return self._metrics.get((result.case, name))

    def noise(self, scenario: Scenario) -> Noise | None:
        """The A/A control of a scenario."""
        if scenario not in self._noises:
            self._noises[scenario] = noise_of(self.report, scenario)
        return self._noises[scenario]

    def label(self, result: Result) -> str:
        """The name of a case in a table: `variant@runtime`, with the model in front only where there are several."""
        native = "/native" if result.io == "native" else ""
        return self._labels.get(result.subject, result.subject) + native

    def label_of(self, case: str) -> str:
        """Likewise, of a case or a subject by its id."""
        result = self._subjects.get(case)
        return self._labels.get(case, case) if result is None else self.label(result)

    @property
    def baseline(self) -> str:
        """Subject of the cases that others are compared with."""
        return self.report.run.settings.baseline

    def title(self, name: str) -> str:
        """Heading of a metric's column."""
        definition = self.definitions.get(name)
        return title_of(definition) if definition else name

    def text(self, metric: Metric, *, interval: bool = False) -> str:
        """A metric as its definition writes it."""
        definition = self.definitions[metric.name]
        return interval_text(metric, definition) if interval else value_text(metric, definition)

    def cell(self, result: Result, name: str, best: Collection[str] = (), *, interval: bool = False) -> Cell:
        """A metric as text, marked where the case is among the best."""
        metric = self.metric(result, name)
        if metric is None or name not in self.definitions:
            return Cell(text=ABSENT)
        interval = interval and not (name == AGREEMENT and self.is_reference(result))
        return Cell(text=self.text(metric, interval=interval), best=result.case in best)

    def is_reference(self, result: Result) -> bool:
        """Whether others are compared with the answers of this case; that it agrees with itself has no interval."""
        return self.report.reference == reference_name(result.variant, result.runtime)

    def hides_float(self, result: Result) -> bool:
        """Whether a baseline is a quantized file and answers are compared with a model that is none of the cases.

        A change from such a baseline is another than that from the reference, and says nothing of the float model.
        """
        roles = {each.id: each.role for each in self.report.artifacts}
        if self.report.reference is None or roles.get(result.artifact, "float") == "float":
            return False
        return not any(self.is_reference(each) for each in self.report.results)

    def extreme(self, name: str, results: Sequence[Result]) -> frozenset[str]:
        """Cases with the best value of a metric without chance; none where all have the same."""
        found = [metric for result in results if (metric := self.metric(result, name))]
        if len({metric.value for metric in found}) < 2:
            return frozenset()
        values = [metric.value for metric in found]
        best = min(values) if found[0].direction == SMALLER else max(values)
        return frozenset(metric.case for metric in found if metric.value == best)

    def best_answers(self, name: str, results: Sequence[Result]) -> frozenset[str]:
        """Cases that no other beats in a metric of samples by a paired test; none where the test tells none apart."""
        definition = self.definitions.get(name)
        known = [result for result in results if result.evaluation is not None and self.metric(result, name)]
        if definition is None or len(known) < 2:
            return frozenset()
        if definition.paired_test is None:
            return self.extreme(name, known) if definition.judged_by == "ratio" else frozenset()
        ordered = sorted(known, key=lambda each: self._value(each, name), reverse=definition.direction != SMALLER)
        first = ordered[0]
        level = ALPHA / (len(known) - 1)  # the best of many is chosen by looking, so each test may err less often
        beaten = {each.case for each in ordered[1:] if is_better(first, each, definition, level)}
        return frozenset(each.case for each in known if each.case not in beaten) if beaten else frozenset()

    def _value(self, result: Result, name: str) -> float:
        metric = self.metric(result, name)
        return metric.value if metric else 0.0


def is_better(one: Result, other: Result, definition: MetricDefinition, alpha: float) -> bool:
    """True if a paired test distinguishes two cases, to the advantage of `one`."""
    first, second = one.evaluation, other.evaluation
    if first is None or second is None:
        return False
    return _is_better(first, second, definition, alpha)


def _is_better(one: Evaluation, other: Evaluation, definition: MetricDefinition, alpha: float) -> bool:
    found = paired_change(other, one, definition, alpha)
    if found is None:
        return False
    return found.upper < 0 if definition.direction == SMALLER else found.lower > 0
