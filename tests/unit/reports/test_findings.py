"""Notes on cases that turn out to be the same computation, or that change with the batch size."""

from __future__ import annotations

import msgspec
import pytest

from crossrt.reports.schema.records import Control
from crossrt.reports.tables.findings import batch_notes, caution_notes, graph_notes

OPERATORS = ("QuantizeLinear", "QLinearConv", "NhwcMaxPool", "NhwcMaxPool", "QGemm")


def label(result):
    return result.case.partition("/")[0].removeprefix("mnist-cnn.")


@pytest.fixture
def make_pair(make_result, make_evaluation):
    """Makes a QDQ and a QOperator result; the second may have other operators or other logits."""

    def make(*, batch_size=1, operators=OPERATORS, seed=0):
        qdq = make_result("int8-qdq@ort-cpu", batch_size=batch_size, operators=OPERATORS)
        other = {"operators": operators, "accuracy": make_evaluation(seed=seed)}
        return qdq, make_result("int8-qoperator@ort-cpu", batch_size=batch_size, **other)

    return make


def test_same_operators_and_logits_are_called_one_computation(make_pair):
    (note,) = graph_notes(make_pair(), label)
    assert "int8-qdq@ort-cpu and int8-qoperator@ort-cpu run the same 5 operators at batch 1" in note
    assert "bit-identical" in note
    assert "noise" in note


def test_runs_of_one_operator_are_counted(make_pair):
    (note,) = graph_notes(make_pair(), label)
    assert "QuantizeLinear, QLinearConv, NhwcMaxPool x2, QGemm" in note


def test_same_operators_with_other_logits_are_not_called_identical(make_pair):
    (note,) = graph_notes(make_pair(seed=1), label)
    assert "same operators at batch 1, but their logits differ" in note
    assert "bit-identical" not in note


def test_different_operators_are_named(make_pair):
    (note,) = graph_notes(make_pair(operators=("QuantizeLinear", "Conv")), label)
    assert "different graphs at batch 1" in note
    assert "only the first runs NhwcMaxPool, QGemm, QLinearConv" in note
    assert "only the second Conv" in note


def test_different_numbers_of_the_same_operators_are_counted(make_pair):
    (note,) = graph_notes(make_pair(operators=(*OPERATORS, "QGemm")), label)
    assert "5 against 6 operators of the same kinds" in note


@pytest.mark.parametrize(
    "other", [{}, {"seed": 1}, {"operators": ("Conv",)}], ids=["identical", "other logits", "other operators"]
)
def test_batch_sizes_share_one_note(make_pair, other):
    (note,) = graph_notes([*make_pair(**other), *make_pair(batch_size=32, **other)], label)
    assert "at batch 1 and 32" in note


def test_batch_sizes_that_differ_in_more_have_notes_of_their_own(make_pair):
    notes = graph_notes([*make_pair(), *make_pair(batch_size=32, seed=1)], label)
    assert ["bit-identical" in note for note in notes] == [True, False]


def test_nothing_is_said_where_operators_are_unknown(make_pair):
    assert graph_notes(make_pair(operators=None), label) == []


def test_nothing_is_said_of_a_case_without_its_counterpart(make_pair, make_result):
    qdq, _ = make_pair()
    assert graph_notes([qdq, make_result(operators=OPERATORS)], label) == []


def test_nothing_is_said_of_cases_that_never_answered(make_pair, make_result):
    qdq, _ = make_pair()
    silent = make_result("int8-qoperator@ort-cpu", status="failed", reason="x", evaluation=None, operators=OPERATORS)
    assert graph_notes([qdq, silent], label) == []


def test_a_batch_size_that_changes_answers_is_noted(make_result, make_evaluation):
    results = [make_result(), make_result(batch_size=32, evaluation=make_evaluation(wrong=5))]
    assert batch_notes(results, label) == [
        "fp32@ort-cpu calls 195 digits right at batch 32, 198 at batch 1.",
    ]


def test_a_batch_size_that_changes_nothing_is_not_noted(make_result):
    assert batch_notes([make_result(), make_result(batch_size=32)], label) == []


def test_a_run_whose_blocks_were_mostly_hit_is_not_to_be_trusted(make_result, make_report):
    result = make_result()
    hit = tuple(msgspec.structs.replace(each, disturbed_blocks=(0, 1, 2)) for each in result.rounds)
    calm, busy = make_report(result), make_report(msgspec.structs.replace(result, rounds=hit))
    assert not any("machine was busy" in note for note in caution_notes(calm))
    blocks = len(hit) * busy.run.settings.blocks_per_round
    expected = (
        f"{3 * len(hit):,} of {blocks:,} blocks of calls were hit by other load twice and kept: the machine was busy"
    )
    assert any(expected in note for note in caution_notes(busy))


def test_equals_that_differ_are_a_caution(make_result, make_report, make_round):
    result = make_result(medians=[90_000] * 6)

    def report(twin_ns: int):
        rounds = tuple(make_round(index, twin_ns + index) for index in range(6))
        twin = Control(kind="replicate", of=result.case, batch_size=1, threads=1, rounds=rounds)
        return msgspec.structs.replace(make_report(result), controls=(twin,))

    assert not any("its twin" in note for note in caution_notes(report(90_000)))
    assert any("differ by +10.0%: the machine was restless" in note for note in caution_notes(report(99_000)))
