"""Whether the answers that all others are compared with are worth comparing with."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.evaluation import Evaluation
from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.paired import exact_mcnemar

_CERTAINTY: Final = 0.05


def near_chance(report: Report) -> str | None:
    """Why the baseline of a classification is no better than a guess, or None where it is, or nothing tells.

    It is judged by its own answers: all of one class, or no more of them right than by always giving the class that is
    most frequent (exact McNemar test, two-sided, 5%, where the report holds what that takes).
    """
    for result in report.results:
        evaluation = result.evaluation
        if result.subject == report.run.settings.baseline and evaluation is not None:
            return _judged(evaluation, None if report.data.labels is None else report.data.labels.unpack())
    return None


def _judged(evaluation: Evaluation, labels: NDArray[Any] | None) -> str | None:
    classes, right = evaluation.classes, evaluation.counts.get("top1")
    if classes is None or right is None or not classes.scores:
        return None
    supports = [score.support for score in classes.scores]
    if sum(support > 0 for support in supports) < 2:
        return "the labels hold a single class, so accuracy says nothing"
    given = {cell[1] for cell in classes.confusion}
    if len(given) == 1:
        return f"the baseline answers class {given.pop()} to every sample, so accuracy says nothing"
    most = max(supports)
    if right <= most or _may_be_chance(evaluation, labels, supports.index(most)):
        more = "no more" if right <= most else "statistically no more"
        return (
            f"the baseline answers {right / evaluation.samples:.1%} of samples right, {more} than always answering the"
            f" most frequent class would ({most / evaluation.samples:.1%}): check the data's layout, scaling and labels"
        )
    return None


def _may_be_chance(evaluation: Evaluation, labels: NDArray[Any] | None, most: int) -> bool:
    """Whether an exact McNemar test does not distinguish the answers from a constant one."""
    packed = evaluation.per_sample.get("top1")
    if packed is None or labels is None or labels.shape != packed.shape:
        return False
    right, constant = packed.unpack().astype(bool), labels == most
    wins, losses = int(np.count_nonzero(right & ~constant)), int(np.count_nonzero(constant & ~right))
    return exact_mcnemar(wins, losses) > _CERTAINTY
