"""How far outputs are apart: formulas, direction, and whose steps count."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from crossrt.reports.statistics.divergence import CHUNK, CaseOutputs, distances

VALUES = np.random.default_rng(0).normal(0, 3, (50, 10)).astype(np.float32)
NOISY = VALUES + np.random.default_rng(1).normal(0, 1, VALUES.shape).astype(np.float32)


def logits(case, values, step=None):
    return CaseOutputs(
        case=case, outputs={"logits": values}, steps={} if step is None else {"logits": step}, scores="logits"
    )


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
    ("steps", "expected"),
    [((None, None), None), ((0.5, None), 4), ((None, 0.5), 4), ((0.5, 0.25), 4), ((0.25, 1.0), 2)],
)
def test_the_coarser_steps_count_and_floats_have_none(steps, expected):
    moved = VALUES.copy()
    moved[7, 3] -= 2
    (found,) = distances([logits("a", VALUES, steps[0]), logits("b", moved, steps[1])])
    assert found.max_steps == (None if expected is None else pytest.approx(expected, rel=1e-5))


def test_probabilities_that_underflow_stay_finite():
    sure = np.zeros((3, 10), np.float32)
    sure[:, 0] = 3_000
    (found,) = distances([logits("a", sure), logits("b", np.roll(sure, 1, axis=1))])
    assert found.kl_nats == pytest.approx(3_000)


def test_each_pair_is_there_once_in_the_order_of_the_cases():
    found = distances([logits(name, VALUES) for name in "abc"])
    assert [(each.one, each.other) for each in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert distances([logits("a", VALUES)]) == ()


def test_probabilities_and_their_logits_diverge_alike():
    shares = [special.softmax(each.astype(np.float64), axis=1) for each in (VALUES, NOISY)]
    of_shares = [
        CaseOutputs(case=name, outputs={"p": each}, scores="p", kind="probabilities")
        for name, each in zip("ab", shares, strict=True)
    ]
    (found,), (expected,) = distances(of_shares), distances([logits("a", VALUES), logits("b", NOISY)])
    assert found.kl_nats == pytest.approx(expected.kl_nats)
    assert found.agreement == expected.agreement == np.mean(VALUES.argmax(1) == NOISY.argmax(1))


def test_a_quantized_softmax_is_no_softmax_again_though_it_does_not_sum_to_one():
    """256 levels: small probabilities became 0, which stands for anything below half a level."""
    shares = special.softmax(VALUES.astype(np.float64), axis=1)
    rough = np.round(shares * 64) / 64
    one, other = (
        CaseOutputs(case=name, outputs={"p": each}, steps=steps, scores="p", kind="probabilities")
        for name, each, steps in (("a", shares, {}), ("b", rough, {"p": 1 / 64}))
    )
    (found,) = distances([one, other])
    floored = np.maximum(rough, 1 / 128)
    expected = stats.entropy(shares, floored / floored.sum(axis=1, keepdims=True), axis=1).mean()
    assert found.kl_nats == pytest.approx(expected)
    twice = stats.entropy(special.softmax(shares, axis=1), special.softmax(rough, axis=1), axis=1).mean()
    assert found.kl_nats > 10 * twice


@pytest.mark.parametrize("shape", [(50, 10), (50,)], ids=["classes", "class 1 of two"])
def test_independent_probabilities_diverge_class_by_class(shape):
    p, q = (special.expit(each.astype(np.float64)).reshape(-1)[: np.prod(shape)] for each in (VALUES, NOISY))
    cases = [
        CaseOutputs(case=name, outputs={"p": each.reshape(shape)}, scores="p", kind="independent probabilities")
        for name, each in (("a", p), ("b", q))
    ]
    (found,) = distances(cases)
    by_class = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert found.kl_nats == pytest.approx(by_class.sum() / 50)
    if len(shape) == 1:
        assert found.agreement == np.mean((p > 0.5) == (q > 0.5))
        of_logits = [
            CaseOutputs(case=each.case, outputs={"z": special.logit(each.outputs["p"])}, scores="z") for each in cases
        ]
        assert distances(of_logits)[0].kl_nats == pytest.approx(found.kl_nats)


def test_the_relative_error_is_the_largest_over_outputs():
    one = {"a": np.full((4, 2), 3.0), "b": np.full((4, 5), 2.0), "empty": np.zeros((4, 1))}
    other = {"a": np.full((4, 2), 3.3), "b": np.full((4, 5), 2.0), "empty": np.zeros((4, 1))}
    (found,) = distances([CaseOutputs(case="x", outputs=one), CaseOutputs(case="y", outputs=other)])
    assert found.relative == pytest.approx(0.1)
    assert (found.agreement, found.kl_nats) == (None, None)


def test_cases_with_other_outputs_are_not_compared():
    one, other = CaseOutputs(case="x", outputs={"a": VALUES}), CaseOutputs(case="y", outputs={"a": VALUES[:, :4]})
    assert distances([one, other]) == ()


def test_more_samples_than_a_chunk_give_what_all_at_once_give():
    many = np.tile(VALUES, (CHUNK // 50 + 7, 1))
    (found,) = distances([logits("a", many, 0.5), logits("b", many + np.float32(0.25), 0.5)])
    assert found.relative == pytest.approx(np.linalg.norm(np.full(many.shape, 0.25)) / np.linalg.norm(many), rel=1e-5)
    assert found.max_steps == pytest.approx(0.5, rel=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
def test_answers_that_are_not_finite_give_no_distance_and_no_warning(odd):
    values = VALUES.copy()
    values[3] = odd
    (found,) = distances([logits("a", values, 0.5), logits("b", values.copy(), 0.5)])
    assert (found.relative, found.kl_nats, found.kl_back_nats, found.max_steps) == (None, None, None, None)
    assert found.agreement == 1


@pytest.mark.filterwarnings("error")
def test_a_class_that_both_rule_out_adds_nothing_to_the_divergence():
    one, other = VALUES.copy(), NOISY.copy()
    one[:, 0] = other[:, 0] = -np.inf
    (found,) = distances([logits("a", one), logits("b", other)])
    (without,) = distances([logits("a", VALUES[:, 1:]), logits("b", NOISY[:, 1:])])
    assert found.kl_nats == pytest.approx(without.kl_nats)
