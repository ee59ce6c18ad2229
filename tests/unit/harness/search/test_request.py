"""What a search is asked for, in the user's words, and the order in which units stay in float."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossrt.analysis.search.budget import Budget, BudgetError, drop_in
from crossrt.analysis.search.plans import WEIGHTED, bases, by_worth, merged
from crossrt.analysis.search.record import Unit
from crossrt.analysis.search.result import NodeSensitivity
from crossrt.core.evaluation import Evaluation
from crossrt.datasets.tasks.classification import Classification
from crossrt.datasets.tasks.regression import Regression
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject
from crossrt.harness.search.request import SearchRequest, seconds_in

TOP1, ERROR = Classification().metrics[0], Regression().metrics[0]


def evaluation(name: str, value: float) -> Evaluation:
    return Evaluation(task="any", samples=10, values={name: value})


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), (45, 45)])
def test_times_have_units(text, seconds):
    assert seconds_in(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-5m", "", "10 minutes", "nan"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(HarnessError, match="expected seconds, or a number with s, m or h"):
        seconds_in(text)


@pytest.mark.parametrize("text", ["0.2pp", "0.2", 0.2, " 0.2 pp "])
def test_a_share_loses_percentage_points(text):
    assert drop_in(text).allowed(TOP1, evaluation("top1", 0.9)) == pytest.approx(0.002)


@pytest.mark.parametrize("text", ["5%", "5", 5])
def test_any_other_number_loses_percent_of_its_own_value(text):
    assert drop_in(text).allowed(ERROR, evaluation(ERROR.name, 4.0)) == pytest.approx(0.2)


def test_units_that_do_not_fit_the_metric_are_refused_with_the_one_that_does():
    with pytest.raises(BudgetError, match=r"which is a share itself: write 0\.2pp"):
        drop_in("0.2%").allowed(TOP1, evaluation("top1", 0.9))
    with pytest.raises(BudgetError, match=r"is not a share; write 0\.2%"):
        drop_in("0.2pp").allowed(ERROR, evaluation(ERROR.name, 4.0))


@pytest.mark.parametrize("text", ["little", "-1pp", "1kg", "nan"])
def test_what_is_no_loss_is_refused(text):
    with pytest.raises(BudgetError, match="--max-drop is"):
        drop_in(text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"time_s": 2.0}, "--time is 2 s; expected 10 s to 7 days"),
        ({"held_out": 0.95}, "--held-out is 0.95"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(fields, message):
    with pytest.raises(HarnessError, match=message):
        SearchRequest(subject=Subject(), budget=Budget(drop=drop_in("1pp")), out=Path(), **fields)


@pytest.mark.parametrize("fields", [{"min_speedup": 0}, {"max_size": 1.5}])
def test_budgets_that_mean_nothing_are_refused(fields):
    with pytest.raises(BudgetError, match="expected"):
        Budget(drop=drop_in("1pp"), **fields)


def sensitivity(name: str, noise: float, time_share: float, weight_bytes: int = 100) -> NodeSensitivity:
    unit = Unit(name=name, op_type="Conv", nodes=(name,), weight_bytes=weight_bytes, time_share=time_share)
    return NodeSensitivity(unit=unit, sqnr_db=None, noise=noise)


def test_units_stay_in_float_by_the_noise_that_they_save_for_what_they_cost():
    found = [sensitivity("loud", 0.02, 0.5), sensitivity("cheap", 0.01, 0.05), sensitivity("silent", 0.0, 0.1)]
    assert [unit.name for unit in by_worth(found, counts_bytes=False)] == ["cheap", "loud"]
    heavy = [sensitivity("loud", 0.02, 0.5, 10), sensitivity("cheap", 0.01, 0.05, 9990)]
    assert [unit.name for unit in by_worth(heavy, counts_bytes=True)] == ["loud", "cheap"]


def test_neighbours_are_joined_where_there_are_too_many_units():
    units = [Unit(name=f"u{place}", op_type="Conv", nodes=(f"u{place}",), time_share=0.25) for place in range(4)]
    joined = merged(units, 2)
    assert [(each.name, each.nodes, each.time_share) for each in joined] == [
        ("u0 to u1", ("u0", "u1"), 0.5),
        ("u2 to u3", ("u2", "u3"), 0.5),
    ]
    assert merged(units, 4) == units


def test_recipes_fit_the_operators_of_the_model():
    units = [Unit(name=kind, op_type=kind, nodes=(kind,)) for kind in ("Conv", "Softmax", "MatMul")]
    plans = {plan.base: plan for plan in bases(units)}
    assert plans["static, per channel"].of == 3
    only = plans["static, per channel, weighted operators only"]
    assert only.recipe.op_types_to_quantize == WEIGHTED
    assert not only.covers(units[1])
    assert only.of == 2
    assert "dynamic" in plans
    assert "dynamic" not in {plan.base for plan in bases(units[:1])}
    mixed = only.with_float(units[:1])
    assert mixed.recipe.nodes_to_exclude == ("Conv",)
    assert mixed.name.endswith("only; Conv in float")
    assert only.with_wide(units[:1]).recipe.nodes_to_16_bit == ("Conv",)
    assert not only.is_per_tensor
    channels = plans["static, per tensor"].with_channels(units[2:])
    assert channels.recipe.nodes_per_channel == ("MatMul",)
    assert channels.name == "static, per tensor; MatMul per channel"
