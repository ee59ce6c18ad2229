"""Robustness as tables: changes against the baseline, sample by sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from crossrt.analysis.corruption import CORRUPTIONS
from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.harness.analyze.robustness import CLEAN, Robustness
from crossrt.reports.statistics.student import t_quantile
from crossrt.reports.text.cells import Cell, Sheet, Tone, title_of, written

CONFIDENCE: Final = 0.99
LEGEND: Final = (
    "Changes are means over five strengths of each corruption, with half of the 99% interval over samples (paired,"
    " Student's t; the corrupted versions of a sample count once). A quantized model may lose more where images are"
    " corrupted than where they are clean: its ranges were calibrated with clean ones."
)


def mean_change(robustness: Robustness, name: str, kinds: Sequence[str]) -> tuple[float, float]:
    """Change of the metric against the baseline over kinds and strengths, and half of its 99% interval.

    A sample counts once, by the mean of its changes: its corrupted versions are not independent of each other.
    """
    scores = [np.concatenate([robustness.scores[each][kind] for kind in kinds]) for each in (name, robustness.baseline)]
    by_sample = (scores[0] - scores[1]).mean(axis=0)
    quantile = t_quantile((1 + CONFIDENCE) / 2, len(by_sample) - 1)
    half = quantile * float(by_sample.std(ddof=1)) / len(by_sample) ** 0.5
    if robustness.metric.unit == "share":  # that no sample changed is no certainty: the width of the score interval
        half = max(half, t_quantile((1 + CONFIDENCE) / 2, math.inf) ** 2 / len(by_sample))
    return float(by_sample.mean()), half


def variant_sheet(robustness: Robustness, labels: Mapping[str, str]) -> Sheet:
    """A row for each file: its change on clean samples, on all corruptions, and on the worst of them.

    Args:
        robustness: What was found.
        labels: How artifacts are called.
    """
    rows = []
    for name in _others(robustness):
        worst = max(CORRUPTIONS, key=lambda kind: _loss(robustness, name, kind))
        rows.append(
            (
                Cell(text=labels[name]),
                _change(robustness, name, [CLEAN]),
                _change(robustness, name, list(CORRUPTIONS)),
                _change(robustness, name, [worst]),
                Cell(text=worst),
            )
        )
    metric = robustness.metric
    unit = ", in percentage points" if metric.unit == "share" else ""
    title = f"{metric.label} on {robustness.samples:,} samples compared with {labels[robustness.baseline]}{unit}"
    columns = ("variant", CLEAN, "all corruptions", "worst", "which")
    dropped, wrapped = ("which", "worst", CLEAN), ("which",)
    return Sheet(
        title=title[0].upper() + title[1:], columns=columns, rows=tuple(rows), dropped_first=dropped, wrapped=wrapped
    )


def corruption_sheet(robustness: Robustness, labels: Mapping[str, str]) -> Sheet:
    """A row for each corruption: the baseline's own value, and the file that loses most."""
    rows = []
    for kind in (CLEAN, *CORRUPTIONS):
        own = float(robustness.scores[robustness.baseline][kind].mean())
        cells = [Cell(text=kind), Cell(text=written(own, robustness.metric.format))]
        if others := _others(robustness):
            worst = max(others, key=lambda name: _loss(robustness, name, kind))
            cells += [_change(robustness, worst, [kind]), Cell(text=labels[worst])]
        rows.append(tuple(cells))
    heading = f"{labels[robustness.baseline]} {title_of(robustness.metric)}"
    columns = ("samples", heading, "worst change", "of")[: len(rows[0])]
    return Sheet(title="By corruption", columns=columns, rows=tuple(rows), dropped_first=("of",), wrapped=("of",))


def _others(robustness: Robustness) -> list[str]:
    return [name for name in robustness.scores if name != robustness.baseline]


def _loss(robustness: Robustness, name: str, kind: str) -> float:
    return _sign(robustness.metric) * mean_change(robustness, name, [kind])[0]


def _sign(metric: MetricDefinition) -> int:
    """1 where more is worse, else -1."""
    return 1 if metric.direction == SMALLER else -1


def _change(robustness: Robustness, name: str, kinds: Sequence[str]) -> Cell:
    change, half = mean_change(robustness, name, kinds)
    tone: Tone | None = None
    if abs(change) > half:
        tone = "bad" if change * _sign(robustness.metric) > 0 else "good"
    if robustness.metric.unit == "share":
        return Cell(text=f"{100 * change:+z.2f} ±{100 * half:.2f}", tone=tone)
    return Cell(text=f"{change:+z.3g} ±{half:.2g}", tone=tone)
