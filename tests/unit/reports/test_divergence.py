"""How far logits are apart: formulas, direction, and whose steps count."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from crossrt.reports.statistics.divergence import Logits, distances

VALUES = np.random.default_rng(0).normal(0, 3, (50, 10)).astype(np.float32)
NOISY = VALUES + np.random.default_rng(1).normal(0, 1, VALUES.shape).astype(np.float32)


def logits(case, values, step=None):
    return Logits(case=case, values=values, step=step)


def test_divergence_is_the_mean_of_the_relative_entropy_in_both_directions():
    (found,) = distances([logits("a", VALUES), logits("b", NOISY)])
    p, q = (special.softmax(each.astype(np.float64), axis=1) for each in (VALUES, NOISY))
    assert found.kl_nats == pytest.approx(np.mean(stats.entropy(p, q, axis=1)))
    assert found.kl_back_nats == pytest.approx(np.mean(stats.entropy(q, p, axis=1)))
    assert found.kl_nats != pytest.approx(found.kl_back_nats)


def test_logits_that_differ_by_a_constant_have_the_same_probabilities():
    (found,) = distances([logits("a", VALUES, 1.0), logits("b", VALUES + 4, 1.0)])
    assert found.kl_nats == pytest.approx(0, abs=1e-9)
    assert found.max_steps == pytest.approx(4, rel=1e-5)


def test_equal_logits_are_not_apart_at_all():
    (found,) = distances([logits("a", VALUES, 0.5), logits("b", VALUES.copy(), 0.5)])
    assert (found.kl_nats, found.kl_back_nats, found.max_steps) == (0, 0, 0)


@pytest.mark.parametrize(
    ("steps", "wanted"), [((None, None), None), ((0.5, None), 4), ((None, 0.5), 4), ((0.5, 0.25), 4), ((0.25, 1.0), 2)]
)
def test_the_coarser_steps_count_and_floats_have_none(steps, wanted):
    moved = VALUES.copy()
    moved[7, 3] -= 2
    (found,) = distances([logits("a", VALUES, steps[0]), logits("b", moved, steps[1])])
    assert found.max_steps == (None if wanted is None else pytest.approx(wanted, rel=1e-5))


def test_probabilities_that_underflow_stay_finite():
    sure = np.zeros((3, 10), np.float32)
    sure[:, 0] = 3_000
    (found,) = distances([logits("a", sure), logits("b", np.roll(sure, 1, axis=1))])
    assert found.kl_nats == pytest.approx(3_000)


def test_each_pair_is_there_once_in_the_order_of_the_cases():
    found = distances(logits(name, VALUES) for name in "abc")
    assert [(each.one, each.other) for each in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert distances([logits("a", VALUES)]) == ()
