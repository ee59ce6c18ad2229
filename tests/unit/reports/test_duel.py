"""The verdict of an A/B comparison, on samples made by hand and on simulated machines whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossrt.reports.schema.records import Look, Round
from crossrt.reports.statistics.contrasts import Contrast
from crossrt.reports.statistics.spending import Spending
from crossrt.reports.verdicts.duel import ALPHA, Samples, judge_looks, judge_samples, samples_of

MARGIN = 0.02
CALM = Contrast(value=0.0, error=0.001)


def at(percent, *, count=10, spread=0.001):
    """Rounds that put B about so many percent behind A."""
    return [Contrast(value=math.log1p(percent / 100) + spread * (-1) ** index, error=0.001) for index in range(count)]


@pytest.mark.parametrize(
    ("percent", "verdict"),
    [(5, "A faster"), (2.05, "inconclusive"), (0.5, "same"), (-0.5, "same"), (-5, "B faster")],
)
def test_four_verdicts(percent, verdict):
    found = judge_samples(Samples(ratio=at(percent), control=[CALM] * 10), ALPHA, MARGIN)
    assert found.verdict == verdict


def test_a_control_that_leaves_out_zero_widens_the_interval_by_its_shift():
    fair = judge_samples(Samples(ratio=at(3), control=at(0)), ALPHA, MARGIN)
    biased = judge_samples(Samples(ratio=at(3), control=at(1.5)), ALPHA, MARGIN)
    assert (fair.verdict, biased.verdict) == ("A faster", "inconclusive")
    assert biased.is_biased
    assert biased.ratio.half == pytest.approx(fair.ratio.half + biased.control.mean)


def test_a_verdict_that_recurs_in_fresh_rounds_stands():
    found = judge_looks(Samples(ratio=at(5, count=12), control=at(0, count=12)), [Look(rounds=8, alpha=ALPHA)], MARGIN)
    assert (found.verdict, found.recurred, found.rounds) == ("A faster", True, 12)


@pytest.mark.parametrize("later", [[], at(0, count=4), at(1.9, count=4)])
def test_a_verdict_that_does_not_recur_is_inconclusive(later):
    ratio = [*at(5, count=8), *later]
    found = judge_looks(Samples(ratio=ratio, control=at(0, count=len(ratio))), [Look(rounds=8, alpha=ALPHA)], MARGIN)
    assert (found.verdict, found.recurred) == ("inconclusive", False)


def test_same_needs_no_confirmation():
    found = judge_looks(Samples(ratio=at(0), control=at(0)), [Look(rounds=10, alpha=ALPHA)], MARGIN)
    assert (found.verdict, found.recurred) == ("same", None)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rounds_are_inconclusive(count):
    assert judge_samples(Samples(ratio=at(5)[:count], control=at(0)[:count]), ALPHA, MARGIN).verdict == "inconclusive"


BLOCKS = 24
CALL_NS = 50_000_000  # large, so that rounding to whole nanoseconds is no part of it


def machine(kind: str, random: np.random.Generator) -> np.ndarray:
    """How many times slower than at its best the machine is, moment by moment of a round: `(BLOCKS, 4)`."""
    moments = (BLOCKS, 4)
    if kind == "calm":
        return np.ones(moments)
    if kind == "drifting":
        walk = np.cumsum(random.normal(0, 0.004, 4 * BLOCKS)) + np.linspace(0, 0.1, 4 * BLOCKS)
        return np.exp(walk).reshape(moments)
    changes = np.cumsum(random.random(4 * BLOCKS) < 0.05) + random.integers(2)  # a neighbour comes and goes
    return np.where(changes % 2, 1.5, 1.0).reshape(moments) * random.lognormal(0, 0.01, moments)


def duel_samples(ratio: float, kind: str, rounds: int, seed: int) -> Samples:
    """A1, A2, B1, B2 on a simulated machine, their blocks in turns as in a real duel; B takes `ratio` times as long."""
    random = np.random.default_rng(seed)
    found = [[], [], [], []]
    for index in range(rounds):
        layout = np.exp(random.normal(0, 0.005, 4))  # each process draws its own
        orders = random.permuted(np.tile(np.arange(4), (BLOCKS // 2, 1)), axis=1)
        orders = np.stack([orders, orders[:, ::-1]], axis=1).reshape(BLOCKS, 4)
        times = np.take_along_axis(machine(kind, random), np.argsort(orders, axis=1), axis=1)
        times = times * layout * [1, 1, ratio, ratio] * random.lognormal(0, 0.005, times.shape) * CALL_NS
        for arm, rounds_of_arm in enumerate(found):
            calls = tuple((call,) for call in times[:, arm].astype(int).tolist())
            rounds_of_arm.append(Round(index=index, position=arm, load_ns=1, first_inference_ns=1, blocks_ns=calls))
    return samples_of(*found)


def verdicts(ratio, kind, trials, *, confirm=True):
    """Verdicts of simulated duels with three looks, as the harness makes them."""
    found = []
    for seed in range(trials):
        spending = Spending(ALPHA)
        looks = [
            Look(rounds=rounds, alpha=spending.next_level(share, rounds))
            for share, rounds in ((0.45, 5), (0.7, 8), (1.0, 12))
        ]
        all_samples = duel_samples(ratio, kind, 16, seed)
        if confirm:
            found.append(judge_looks(all_samples, looks, MARGIN).verdict)
        else:
            at_looks = [judge_samples(all_samples.first(look.rounds), look.alpha, MARGIN).verdict for look in looks]
            found.append(next((each for each in at_looks if each != "inconclusive"), "inconclusive"))
    return found


@pytest.mark.simulation
@pytest.mark.parametrize("kind", ["calm", "drifting", "bursty"])
def test_equals_are_never_called_different(kind):
    assert not {"A faster", "B faster"} & set(verdicts(1.0, kind, 25))


@pytest.mark.simulation
@pytest.mark.parametrize("kind", ["calm", "drifting", "bursty"])
def test_a_ratio_just_at_the_margin_is_called_slower_no_more_often_than_promised(kind):
    """Nominal: 0.5% a side, before the verdict has to recur. 3 of 50 would have a chance of 0.2%."""
    assert verdicts(1 + MARGIN, kind, 50, confirm=False).count("A faster") <= 2


@pytest.mark.simulation
@pytest.mark.parametrize("kind", ["calm", "drifting", "bursty"])
def test_a_clear_difference_is_found(kind):
    assert verdicts(1.06, kind, 15).count("A faster") >= 14


@pytest.mark.simulation
def test_the_interval_covers_the_truth_as_often_as_promised():
    missed = 0
    for seed in range(120):
        found = judge_samples(duel_samples(1.01, "bursty", 10, seed), ALPHA, MARGIN)
        missed += not found.ratio.lower <= math.log(1.01) <= found.ratio.upper
    assert missed <= 5  # 1% is promised; 6 of 120 would have a chance of 0.1%
