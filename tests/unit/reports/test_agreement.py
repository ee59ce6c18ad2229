"""Answers to the same samples: changes by class, agreement of any two cases, differences of confusion matrices."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from crossrt.core.evaluation import ClassDetails, ClassScore, Evaluation, Packed
from crossrt.reports.errors import ReportError
from crossrt.reports.tables.agreement import (
    Answers,
    agreement,
    answers_in,
    baseline_of,
    change_sheet,
    changes_by_class,
    confusion_sheet,
)

LABELS = np.arange(200) % 10


def answering(wrong):
    """An evaluation of answers that are right but for `{sample: class}`."""
    given = LABELS.copy()
    for sample, other in wrong.items():
        given[sample] = other
    cells = {}
    for pair in zip(LABELS.tolist(), given.tolist(), strict=True):
        cells[pair] = cells.get(pair, 0) + 1
    right = int((given == LABELS).sum())
    return Evaluation(
        task="classification",
        samples=200,
        values={"top1": right / 200},
        counts={"top1": right},
        per_sample={"top1": Packed.of(given == LABELS)},
        predictions=Packed.of(given),
        classes=ClassDetails(
            scores=(ClassScore(precision=1, recall=1, f1=1, support=20),) * 10,
            confusion=tuple((true, called, count) for (true, called), count in cells.items()),
        ),
    )


@pytest.fixture
def report(make_report, make_result):
    """Cases by the samples that they answer wrong; the baseline gets 3 and 13 wrong."""

    def make(**wrong):
        cases = {"fp32@ort-cpu": {3: 8, 13: 8}, **{f"{name}@tflite": each for name, each in wrong.items()}}
        found = make_report(*(make_result(name, evaluation=answering(each)) for name, each in cases.items()))
        return msgspec.structs.replace(found, data=msgspec.structs.replace(found.data, labels=Packed.of(LABELS)))

    return make


def texts(sheet):
    return [[cell.text for cell in row] for row in sheet.rows]


def test_fixed_and_broken_samples_are_counted_by_their_true_class(report):
    found = report(other={13: 8, 7: 1, 17: 1, 20: 4})
    other = answers_in(found, ("other",))[0]
    fixed, broken = changes_by_class(baseline_of(found), other, LABELS, "top1")
    assert fixed.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert broken.tolist() == [1, 0, 0, 0, 0, 0, 0, 2, 0, 0]


def test_each_case_is_compared_with_the_baseline(report):
    found = report(other={13: 8, 7: 1, 17: 1, 20: 4})
    rows = texts(change_sheet(found, answers_in(found, ()), baseline_of(found)))
    assert rows[0][2:] == ["baseline", "-", "-", "-", "-"]
    assert rows[1][0] == "other@tflite"
    assert rows[1][2].startswith("-1.00 pp [")
    assert rows[1][3:] == ["1", "3", "0.62", "7 (-2)"]


def test_a_clear_loss_is_coloured_and_chance_is_not(report):
    found = report(bad={digit: (digit + 1) % 10 for digit in range(40, 60)}, even={4: 9, 14: 9})
    sheet = change_sheet(found, answers_in(found, ()), baseline_of(found))
    assert [row[2].tone for row in sheet.rows] == [None, "bad", None]


def test_agreement_is_about_answers_and_not_about_being_right(report):
    found = report(same={3: 8, 13: 8}, elsewhere={3: 5, 13: 8}, right={})
    base, same, elsewhere, right = answers_in(found, ())
    assert agreement(base, same) == 1
    assert agreement(base, elsewhere) == pytest.approx(199 / 200)
    assert agreement(base, right) == agreement(right, base) == pytest.approx(198 / 200)


def test_the_difference_of_two_confusion_matrices(report):
    found = report(other={3: 8, 13: 5})
    rows = texts(confusion_sheet(baseline_of(found), answers_in(found, ("other",))[0], "other"))
    assert rows[3] == ["3", "·", "·", "·", "·", "·", "+1", "·", "·", "-1", "·"]
    assert set(rows[0][1:]) == {"·"}


def test_patterns_that_fit_nothing_are_said(report):
    with pytest.raises(ReportError, match="has no case that fits int9"):
        answers_in(report(), ("int9",))


def test_an_old_report_does_not_say_which_samples_were_wrong(sample):
    with pytest.raises(ReportError, match="has no case that holds its answers sample by sample"):
        answers_in(sample, ())


def test_without_labels_no_class_is_named(report):
    found = report(other={13: 8, 7: 1})
    found = msgspec.structs.replace(found, data=msgspec.structs.replace(found.data, labels=None))
    rows = texts(change_sheet(found, answers_in(found, ()), baseline_of(found)))
    assert rows[1][-1] == "-"


def test_of_many_classes_the_pairs_that_changed_most_are_shown(report):
    found = report(other={})
    scores = (ClassScore(precision=1, recall=1, f1=1, support=1),) * 1_000

    def with_cells(answers, *cells):
        classes = ClassDetails(scores=scores, confusion=cells)
        return Answers(result=answers.result, evaluation=msgspec.structs.replace(answers.evaluation, classes=classes))

    base, other = answers_in(found, ())
    sheet = confusion_sheet(with_cells(base, (1, 1, 50)), with_cells(other, (1, 1, 10), (1, 999, 39), (7, 8, 1)), "x")
    assert texts(sheet) == [["1", "1", "-40"], ["1", "999", "+39"], ["7", "8", "+1"]]
    assert "the 3 of 3 pairs" in sheet.title


def test_a_task_without_classes_has_no_confusion_matrix(report, make_numbers):
    base = baseline_of(report())
    numbers = Answers(result=base.result, evaluation=make_numbers([1.0, 2.0]))
    assert agreement(base, numbers) is None
    with pytest.raises(ReportError, match="has no confusion matrix: its task is regression"):
        confusion_sheet(base, numbers, "x")
