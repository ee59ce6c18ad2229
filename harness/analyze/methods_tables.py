"""The league table of methods."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.harness.analyze.methods import League, Method, is_timed, sqnr_db
from crossrt.reports.statistics.estimates import Estimate, over_samples, proportion
from crossrt.reports.statistics.paired import PairedChange, paired_change
from crossrt.reports.text.cells import Cell, Sheet, listed, title_of, unit_of, written
from crossrt.reports.verdicts.duel import ALPHA, CONFIDENCE, Judgement

ABSENT: Final = "-"
_NOISE_SEEN_DB: Final = 0.05
FLOAT, PLAIN, VERDICT, SQNR, GAINED, TIME = "vs float", "vs plain", "verdict", "SQNR dB", "gained dB", "time"
METRIC: Final = "metric"
_COLUMNS: Final = ("recipe", "KB", METRIC, FLOAT, PLAIN, "p", VERDICT, SQNR, GAINED, TIME)
_OF_NOISE: Final = (
    "SQNR: of the worst output, compared with float; gained: over the plain recipe above the indented rows"
)
_OF_TIME: Final = f"time: over that of the plain recipe's file, both in the same rounds, {CONFIDENCE:.0%} interval"


def league_sheet(league: League) -> Sheet:
    """A row for each file: metric, change from float and from the plain recipe, noise, size, time."""
    metric = league.metric
    rows = [_row(league, each, is_float=True) for each in league.floats.values()]
    for plain in dict.fromkeys((*league.plains.values(), *(each.plain for each in league.methods))):
        rows += _group(league, plain)
    heading = title_of(metric) if metric is not None else METRIC
    columns = tuple(heading if name == METRIC else name for name in _COLUMNS)
    sheet = Sheet(
        title=f"{league.model}, methods",
        columns=columns,
        rows=tuple(rows),
        dropped_first=("p", "KB", FLOAT, GAINED, PLAIN, TIME, heading, SQNR),
        kept=(VERDICT,),
        footer=tuple(_notes(league)),
        about=((_OF_NOISE, (SQNR, GAINED)), (_OF_TIME, (TIME,))),
    )
    return sheet.without_empty(ABSENT)


def _group(league: League, plain: str) -> Iterator[tuple[Cell, ...]]:
    """A plain recipe and the methods on top of it; last those of which there is no file, with what became of them."""
    built = [each for each in league.methods if each.plain == plain]
    missing = [item for item, other in league.plains.items() if other == plain and item not in {e.item for e in built}]
    if plain in missing and plain in league.outcomes:
        yield _without_file(plain, plain, league.outcomes[plain])
    yield from (_row(league, each, is_float=False) for each in built)
    for item in missing:
        if item != plain and item in league.outcomes:
            yield _without_file(item, plain, league.outcomes[item])


def _without_file(item: str, plain: str, outcome: str) -> tuple[Cell, ...]:
    texts = [outcome if name == VERDICT else ABSENT for name in _COLUMNS]
    return Cell(text=item if item == plain else f"  {item}"), *(Cell(text=each) for each in texts[1:])


def _notes(league: League) -> Iterator[str]:
    if league.metric is not None:
        yield (
            f"± {_percent(0.95)} interval; changes over the same samples, {_percent(CONFIDENCE)} interval"
            f" ({'McNemar, Tango' if league.metric.paired_test == 'mcnemar' else 'paired t'})"
        )
        yield _of_verdict(league.metric)
    yield _OF_NOISE
    if untimed := [each.item for each in league.methods if not is_timed(each)]:
        yield f"{listed(untimed)}: for accuracy alone, computed in float32, as no CPU computes in FP8; never timed"
    if any(each.time is not None for each in league.methods):
        yield _OF_TIME


def _of_verdict(metric: MetricDefinition) -> str:
    margin = metric.margin if metric.unit == "share" else None
    same = "" if margin is None else f"same if it lies within {100 * margin:.3g} pp of 0, "
    return (
        f"verdict vs plain: better or worse if the interval leaves out 0, {same}else undecided (more samples narrow it)"
    )


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _row(league: League, method: Method, *, is_float: bool) -> tuple[Cell, ...]:
    metric, plain = league.metric, None if is_float else league.plain(method)
    reference = None if is_float else league.floats.get(method.artifact.format)
    change = _change(plain, method, metric)
    texts = (
        method.item if plain is None else f"  {method.item}",
        f"{method.artifact.size_bytes / 1000:,.1f}",
        ABSENT if metric is None else _value(method.evaluation, metric),
        ABSENT if metric is None else change_text(_change(reference, method, metric), metric),
        ABSENT if metric is None else change_text(change, metric),
        ABSENT if change is None else f"{change.p_value:.2g}",
        ABSENT if change is None or metric is None else verdict(change, metric),
        ABSENT if is_float else decibels(sqnr_db(method.evaluation)).removesuffix(" dB"),
        ABSENT if plain is None else gain_text(plain.evaluation, method.evaluation),
        time_text(method.time),
    )
    return tuple(Cell(text=text) for text in texts)


def _change(before: Method | None, after: Method, metric: MetricDefinition | None) -> PairedChange | None:
    if before is None or metric is None:
        return None
    return paired_change(before.evaluation, after.evaluation, metric, ALPHA)


def verdict(change: PairedChange, metric: MetricDefinition) -> str:
    """`better` or `worse` where the interval excludes 0, `same` where it lies within the metric's margin."""
    if change.is_distinguished:
        return "better" if (change.change < 0) == (metric.direction == SMALLER) else "worse"
    margin = metric.margin if metric.unit == "share" else None
    is_same = margin is not None and -margin <= change.lower and change.upper <= margin
    return "same" if is_same else "undecided"


def _value(evaluation: Evaluation, metric: MetricDefinition) -> str:
    value = evaluation.values.get(metric.name)
    if value is None:
        return ABSENT
    estimate = _estimate(evaluation, metric, value)
    text = written(value, metric.format)
    if estimate.lower is None or estimate.upper is None:
        return text
    half = (estimate.upper - estimate.lower) / 2
    return f"{text} ±{written(half, metric.format)}"


def _estimate(evaluation: Evaluation, metric: MetricDefinition, value: float) -> Estimate:
    if (count := evaluation.counts.get(metric.name)) is not None:
        return proportion(count, evaluation.samples)
    packed = evaluation.per_sample.get(metric.name)
    return Estimate(value=value) if packed is None else over_samples(packed.unpack(), value)


def change_text(change: PairedChange | None, metric: MetricDefinition) -> str:
    """A change with its interval, such as `+0.10 pp [-0.56, +0.85]`."""
    if change is None:
        return ABSENT
    if metric.unit == "share":
        return f"{100 * change.change:+z.2f} pp [{100 * change.lower:+z.2f}, {100 * change.upper:+z.2f}]"
    unit = f" {unit_of(metric)}" if unit_of(metric) else ""
    return f"{change.change:+z.3g}{unit} [{change.lower:+z.2g}, {change.upper:+z.2g}]"


def decibels(value: float) -> str:
    """A ratio in dB with its unit; without noise it is infinite."""
    return f"{value:.1f} dB" if math.isfinite(value) else "exact"


def gain_text(plain: Evaluation, other: Evaluation) -> str:
    """What a method gains over its plain recipe, in dB."""
    gained = sqnr_db(other) - sqnr_db(plain)
    return f"{gained:+z.1f}" if math.isfinite(gained) else ABSENT


def time_text(judgement: Judgement | None) -> str:
    """`0.98 [0.97, 0.99]`, with a question mark where the comparison stayed undecided."""
    if judgement is None:
        return ABSENT
    mean, lower, upper = (
        math.exp(each) for each in (judgement.ratio.mean, judgement.ratio.lower, judgement.ratio.upper)
    )
    mark = "?" if judgement.verdict == "inconclusive" else ""
    return f"{mean:.2f}{mark} [{lower:.2f}, {upper:.2f}]"


def outputs_sheet(league: League) -> Sheet | None:
    """The ratio of every output, or None where there is one only, which the league table shows."""
    names = list(dict.fromkeys(each.output for one in league.methods for each in one.evaluation.outputs))
    if len(names) < 2:
        return None
    rows = []
    for method in league.methods:
        found = {each.output: each.sqnr_db for each in method.evaluation.outputs}
        texts = (method.item, *(ABSENT if found.get(name) is None else f"{found[name]:.1f}" for name in names))
        rows.append(tuple(Cell(text=text) for text in texts))
    return Sheet(title="SQNR of each output, dB", columns=("recipe", *names), rows=tuple(rows))
