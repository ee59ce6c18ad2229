"""Whether the answers that all others are compared with are worth comparing with."""

from __future__ import annotations

from crossrt.core.evaluation import Evaluation
from crossrt.reports.schema.records import Report


def near_chance(report: Report) -> str | None:
    """Why the baseline of a classification is no better than a guess, or None where it is, or nothing tells.

    It is judged by its own answers: all of one class, or no more of them right than by always giving the class that is
    most frequent.
    """
    for result in report.results:
        evaluation = result.evaluation
        if result.subject == report.run.settings.baseline and evaluation is not None:
            return _judged(evaluation)
    return None


def _judged(evaluation: Evaluation) -> str | None:
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
    if right <= most:
        return (
            f"the baseline answers {right / evaluation.samples:.1%} of samples right, no more than always answering the"
            f" most frequent class would ({most / evaluation.samples:.1%}): check the data's layout, scaling and labels"
        )
    return None
