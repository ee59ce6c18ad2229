"""The verdict of an A/B comparison, from its rounds alone: it can be found again from the saved file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from crossrt.reports.schema.records import Duel, Look, Round
from crossrt.reports.statistics.contrasts import Contrast
from crossrt.reports.statistics.intervals import LogInterval, pooled_interval
from crossrt.reports.statistics.levels import level_contrasts

Verdict = Literal["A faster", "B faster", "same", "inconclusive"]

CONFIDENCE: Final = 0.99
ALPHA: Final = (1 - CONFIDENCE) / 2
FEWEST_ROUNDS: Final = 5
CONFIRMING_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """One contrast a round: of the time of B over that of A, and of its control.

    Each arm has two processes a round. The control swaps their roles: it compares one process of each arm with the
    other of each arm, so its truth is 0 and its noise that of the A/B comparison.
    """

    ratio: Sequence[Contrast]
    control: Sequence[Contrast]

    def first(self, rounds: int) -> Samples:
        """Of the first rounds only."""
        return Samples(ratio=self.ratio[:rounds], control=self.control[:rounds])

    def after(self, rounds: int) -> Samples:
        """Of the later rounds only."""
        return Samples(ratio=self.ratio[rounds:], control=self.control[rounds:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an A/B comparison found.

    Attributes:
        verdict: `A faster` and `B faster` say: by more than the margin.
        ratio: Time of B over time of A, as a logarithm.
        control: The same of two halves that do not differ.
        is_biased: True if the control does not hold 0; the interval of the ratio was widened by the control's shift.
        rounds: How many rounds the figures rest on.
        recurred: Whether the verdict was found again in the confirming rounds; None where none were needed.
    """

    verdict: Verdict
    ratio: LogInterval
    control: LogInterval
    is_biased: bool
    rounds: int
    recurred: bool | None = None

    @property
    def b_is_slower(self) -> bool:
        """True if B is slower than A by more than the margin, and that recurred."""
        return self.verdict == "A faster"

    def b_is_not_slower(self, margin: float) -> bool:
        """True if the interval rules out that B is slower by more than the margin."""
        return self.ratio.upper <= math.log1p(margin)


def samples_of(
    a: Sequence[Round], a_replicate: Sequence[Round], b: Sequence[Round], b_replicate: Sequence[Round]
) -> Samples:
    """One number a round, from the blocks of its four processes."""
    return Samples(
        ratio=level_contrasts([b, b_replicate], [a, a_replicate]),
        control=level_contrasts([a, b], [a_replicate, b_replicate]),
    )


def judge_samples(samples: Samples, alpha: float, margin: float) -> Judgement:
    """The verdict at one look."""
    ratio, control = pooled_interval(samples.ratio, alpha), pooled_interval(samples.control, alpha)
    if control.excludes_zero:
        ratio = ratio.widened(abs(control.mean))
    return Judgement(
        verdict=verdict_of(ratio, margin),
        ratio=ratio,
        control=control,
        is_biased=control.excludes_zero,
        rounds=len(samples.ratio),
    )


def verdict_of(ratio: LogInterval, margin: float) -> Verdict:
    """Four values: the interval lies beyond the margin on one side, within it, or neither."""
    bound = math.log1p(margin)
    if ratio.lower > bound:
        return "A faster"
    if ratio.upper < -bound:
        return "B faster"
    return "same" if -bound <= ratio.lower and ratio.upper <= bound else "inconclusive"


def confirmed(decided: Judgement, samples: Samples, margin: float) -> Judgement:
    """A verdict that one arm is faster, compared with rounds that were measured after it.

    It recurs if those rounds alone lie beyond the margin too, and all rounds together still say the same.
    """
    fresh = samples.after(decided.rounds)
    together = judge_samples(samples, decided.ratio.alpha, margin)
    alone = pooled_interval(fresh.ratio, decided.ratio.alpha).mean
    side = 1 if decided.verdict == "A faster" else -1
    recurred = len(fresh.ratio) > 0 and side * alone > math.log1p(margin) and together.verdict == decided.verdict
    return Judgement(
        verdict=decided.verdict if recurred else "inconclusive",
        ratio=together.ratio,
        control=together.control,
        is_biased=together.is_biased,
        rounds=together.rounds,
        recurred=recurred,
    )


def judge_looks(samples: Samples, looks: Sequence[Look], margin: float) -> Judgement:
    """The verdict at the first look that has one, confirmed where that is asked for."""
    judgement = judge_samples(samples, ALPHA, margin)
    for look in looks:
        judgement = judge_samples(samples.first(look.rounds), look.alpha, margin)
        if judgement.verdict in ("A faster", "B faster"):
            return confirmed(judgement, samples, margin)
        if judgement.verdict == "same":
            break
    return judgement


def judge_duel(duel: Duel) -> Judgement:
    """The verdict of a saved A/B comparison."""
    arms = (duel.a, duel.b)
    samples = samples_of(*(each for arm in arms for each in (arm.result.rounds, arm.replicate_rounds)))
    if not samples.ratio or any(arm.result.status != "ok" for arm in arms):
        found = judge_samples(samples, ALPHA, duel.margin)
        return dataclasses.replace(found, verdict="inconclusive", recurred=None)
    return judge_looks(samples, duel.looks, duel.margin)
