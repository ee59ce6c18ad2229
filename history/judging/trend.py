"""A metric over runs: its level, its noise, and where it changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import Final, Literal

from msgspec import Struct

from crossrt.core.metric import SMALLER, Direction, MetricDefinition
from crossrt.history.judging.changes import FALSE_ALARM, Change, exact_changes, find_changes, noise_of
from crossrt.history.judging.selection import RunRow
from crossrt.history.judging.series import Found, Sample, Series
from crossrt.reports.text.labels import case_labels

FEWEST_TO_CHOOSE: Final = 4
"""Runs below which the ratio to the reference workload is taken without a look at which is steadier."""

_MEMORY: Final = "peak_memory_bytes"
"""Compared by its plain ratio, though it varies a little from run to run."""

Scale = Literal["ratio", "difference"]


class Point(Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        run: Its id.
        started_at: When it began, ISO 8601 in UTC.
        revision: Short git revision, with a plus where there were uncommitted changes.
        value: In the metric's unit, as its report shows it, whatever other runs there are.
        report: Where its report was.
    """

    run: str
    started_at: str
    revision: str | None
    value: float
    report: str


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of level between two runs.

    Attributes:
        index: The first point of the new level, from 0.
        span: Where it happened: `abc1234..def5678`, or the ids of the two runs.
        before: The level until then, in the metric's unit.
        after: The level since.
        change: Ratio minus 1, or the difference for shares and counts.
        lower: Lower end of the change's 95% interval; absent where there is no chance in the metric.
        upper: Upper end.
        is_worse: Whether it is a change to the worse.
    """

    index: int
    span: str
    before: float
    after: float
    change: float
    lower: float | None = None
    upper: float | None = None
    is_worse: bool


class CaseTrend(Struct, frozen=True, kw_only=True):
    """One case over runs, oldest first.

    Attributes:
        case: Its id.
        label: Its name beside the others.
        metric: The metric's name.
        unit: Of all values.
        direction: Which way is better.
        is_exact: Whether there is no chance in the metric.
        scale: Whether changes are ratios or differences.
        is_relative: Whether changes of a time are looked for in its ratio to the reference workload.
        noise: Standard deviation of what changes are looked for in: as a share for ratios, else in the metric's unit.
        points: The runs.
        steps: Changes of level.
    """

    case: str
    label: str
    metric: str
    unit: str
    direction: Direction
    is_exact: bool
    scale: Scale
    is_relative: bool
    noise: float
    points: tuple[Point, ...]
    steps: tuple[Step, ...]

    def levels(self) -> list[float]:
        """The level that each point lies on."""
        ends = [*(step.index for step in self.steps), len(self.points)]
        found: list[float] = []
        for end in ends:
            part = [point.value for point in self.points[len(found) : end]]
            found += [_middle(part, self.scale)] * len(part)
        return found


class Trend(Struct, frozen=True, kw_only=True):
    """A metric of some cases over comparable runs.

    Attributes:
        schema_version: Of this record.
        metric: Its name.
        definition: What it is.
        environment: Key of what the runs share.
        machine: The processor.
        cases: One for each case that has the metric.
        others: Runs of other environments that were left out.
        other_data: Runs on other data that were left out.
        interrupted: Interrupted runs that were left out.
        older: Runs that were left out because newer ones were asked for.
    """

    schema_version: Literal[2] = 2
    metric: str
    definition: MetricDefinition
    environment: str
    machine: str
    cases: tuple[CaseTrend, ...]
    others: int
    other_data: int
    interrupted: int
    older: int


def trend_of(found: Found) -> Trend:
    """Looks for changes in every series; the chance of a false alarm is divided among them."""
    alpha = FALSE_ALARM / max(len(found.series), 1)
    labels = case_labels([series.case for series in found.series])
    return Trend(
        metric=found.definition.name,
        definition=found.definition,
        environment=found.machine.key,
        machine=found.machine.cpu_model,
        cases=tuple(_case_trend(found.definition, series, labels[series.case.case], alpha) for series in found.series),
        others=found.others,
        other_data=found.other_data,
        interrupted=found.interrupted,
        older=found.older,
    )


def is_exact(metric: MetricDefinition) -> bool:
    """True if there is no chance in a metric: it only changes where something was changed."""
    return metric.judged_by not in (None, "rounds") and metric.name != _MEMORY


def _case_trend(metric: MetricDefinition, series: Series, label: str, alpha: float) -> CaseTrend:
    is_relative = relative_is_steadier(series.samples)
    samples = [each for each in series.samples if each.relative is not None] if is_relative else series.samples
    values = [each.value for each in samples]
    scale = _scale(metric, values)
    judged = _judged(samples, scale, is_relative=is_relative)
    changes = _changes(metric, judged, scale, alpha)
    points = [_point(sample, value) for sample, value in zip(samples, values, strict=True)]
    bounds = [0, *(change.index for change in changes), len(values)]
    levels = [_middle(values[start:end], scale) for start, end in pairwise(bounds)]
    return CaseTrend(
        case=series.case.case,
        label=label,
        metric=metric.name,
        unit=metric.unit,
        direction=metric.direction,
        is_exact=is_exact(metric),
        scale=scale,
        is_relative=is_relative,
        noise=noise_of(judged),
        points=tuple(points),
        steps=tuple(
            _step(change, samples, levels[number : number + 2], scale, is_worse=_is_worse(metric, change))
            for number, change in enumerate(changes)
        ),
    )


def _scale(metric: MetricDefinition, values: Sequence[float]) -> Scale:
    """Shares and what is defined by differences change by differences, and so does what has no ratio."""
    is_difference = metric.unit == "share" or metric.judged_by in ("samples", "difference")
    return "difference" if is_difference or min(values) <= 0 else "ratio"


def _is_worse(metric: MetricDefinition, change: Change) -> bool:
    return (change.size > 0) == (metric.direction == SMALLER)


def relative_is_steadier(samples: Sequence[Sample]) -> bool:
    """Whether the ratio to the reference workload varies less from run to run than the time itself; needs it in all."""
    both = [(each.relative, each.level) for each in samples if each.relative is not None and each.level is not None]
    if not both or len(both) < len(samples):
        return False
    if len(both) < FEWEST_TO_CHOOSE:
        return True
    return noise_of([ratio for ratio, _ in both]) <= noise_of([plain for _, plain in both])


def _judged(samples: Sequence[Sample], scale: Scale, *, is_relative: bool) -> list[float]:
    """What changes are looked for in: logarithms of ratios; of a time its level, as comparisons judge it."""
    if scale == "difference":
        return [each.value for each in samples]
    levels = [each.relative if is_relative else each.level for each in samples]
    return [math.log(each.value) if level is None else level for each, level in zip(samples, levels, strict=True)]


def _changes(metric: MetricDefinition, judged: Sequence[float], scale: Scale, alpha: float) -> list[Change]:
    if is_exact(metric):
        return exact_changes(judged)
    return find_changes(judged, alpha) if scale == "ratio" else []


def _middle(values: Sequence[float], scale: Scale) -> float:
    return math.exp(fmean(map(math.log, values))) if scale == "ratio" else fmean(values)


def _point(sample: Sample, value: float) -> Point:
    run = sample.run
    return Point(
        run=run.name, started_at=run.started_at.isoformat(), revision=run.revision, value=value, report=run.path
    )


def _step(change: Change, samples: Sequence[Sample], levels: Sequence[float], scale: Scale, *, is_worse: bool) -> Step:
    says = math.expm1 if scale == "ratio" else float
    return Step(
        index=change.index,
        span=span_of(samples[change.index - 1].run, samples[change.index].run),
        before=levels[0],
        after=levels[1],
        change=says(change.size),
        lower=None if change.lower is None else says(change.lower),
        upper=None if change.upper is None else says(change.upper),
        is_worse=is_worse,
    )


def span_of(before: RunRow, after: RunRow) -> str:
    """The commits between two runs, or their ids where commits do not tell them apart."""
    if before.revision and after.revision and before.revision != after.revision:
        return f"{before.revision}..{after.revision}"
    return f"{before.name}..{after.name}"
