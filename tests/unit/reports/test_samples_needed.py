"""How many samples would show that a change is small enough."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.core.metric import MetricDefinition
from crossrt.reports.schema.upgrade import TASK_METRICS
from crossrt.reports.statistics.paired import paired_numbers, paired_shares, tango_interval
from crossrt.reports.statistics.samples_needed import samples_needed

TOP1 = next(each for each in TASK_METRICS if each.name == "top1")
MAE = MetricDefinition(name="mae", label="MAE", unit="m", direction="smaller_is_better", paired_test="paired-t")
ALPHA = 0.005


def answers(samples, broken=0, fixed=0):
    before, after = np.ones(samples, bool), np.ones(samples, bool)
    after[:broken], before[samples - fixed :] = False, False
    return before, after


@pytest.mark.parametrize("broken_and_fixed", [(0, 0), (1, 1), (1, 3)])
def test_so_many_samples_would_be_enough_and_a_tenth_less_would_not(broken_and_fixed):
    broken, fixed = broken_and_fixed
    needed = samples_needed(paired_shares(*answers(1000, broken, fixed), ALPHA), TOP1, 0.002, ALPHA)
    worst = {
        times: -tango_interval(round(fixed * times), round(broken * times), round(1000 * times), ALPHA)[0]
        for times in (needed / 1000, 0.9 * needed / 1000)
    }
    assert worst[needed / 1000] <= 0.002 < worst[0.9 * needed / 1000]


def test_none_where_the_loss_is_larger_or_the_samples_are_enough():
    assert samples_needed(paired_shares(*answers(1000, 3), ALPHA), TOP1, 0.002, ALPHA) is None
    assert samples_needed(paired_shares(*answers(10_000), ALPHA), TOP1, 0.002, ALPHA) is None


def test_numbers_need_as_many_as_their_spread_asks_for():
    before = np.ones(100)
    after = before + np.tile([0.1, -0.1], 50)
    needed = samples_needed(paired_numbers(before, after, ALPHA), MAE, 0.01, ALPHA)
    assert needed == pytest.approx((2.6 * 0.1 / 0.01) ** 2, rel=0.1)
