"""Answers to the same digits: flips by class, agreement of any two cases, differences of confusion matrices."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.statistics.classification import judge_logits
from crossrt.reports.tables.agreement import (
    agreement,
    answers_in,
    baseline_of,
    change_sheet,
    confusion_sheet,
    flips_by_class,
)

LABELS = (np.arange(200) % 10).astype(np.uint8)


def answering(wrong):
    """Accuracy of answers that are right but for `{digit: class}`."""
    called = LABELS.astype(np.intp).copy()
    for digit, other in wrong.items():
        called[digit] = other
    return judge_logits(np.eye(10, dtype=np.float32)[called], LABELS, None)


@pytest.fixture
def report(make_report, make_result):
    """Cases by the digits that they call wrong; the baseline gets 3 and 13 wrong."""

    def make(**wrong):
        cases = {"fp32@ort-cpu": {3: 8, 13: 8}, **{f"{name}@tflite": each for name, each in wrong.items()}}
        return make_report(*(make_result(name, accuracy=answering(each)) for name, each in cases.items()))

    return make


def texts(sheet):
    return [[cell.text for cell in row] for row in sheet.rows]


def test_fixed_and_broken_digits_are_counted_by_their_true_class(report):
    found = report(other={13: 8, 7: 1, 17: 1, 20: 4})
    other = answers_in(found, ("other",))[0]
    fixed, broken = flips_by_class(baseline_of(found), other, LABELS)
    assert fixed.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert broken.tolist() == [1, 0, 0, 0, 0, 0, 0, 2, 0, 0]


def test_each_case_is_held_against_the_baseline(report):
    found = report(other={13: 8, 7: 1, 17: 1, 20: 4})
    rows = texts(change_sheet(found, answers_in(found, ()), baseline_of(found), LABELS))
    assert rows[0][2:] == ["baseline", "-", "-", "-", "-"]
    assert rows[1][0] == "other@tflite"
    assert rows[1][2].startswith("-1.00 [")
    assert rows[1][3:] == ["1", "3", "0.62", "7 (-2)"]


def test_a_clear_loss_is_coloured_and_chance_is_not(report):
    found = report(bad={digit: (digit + 1) % 10 for digit in range(40, 60)}, even={4: 9, 14: 9})
    sheet = change_sheet(found, answers_in(found, ()), baseline_of(found), LABELS)
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


def test_an_old_report_does_not_say_which_digits_were_wrong(sample):
    with pytest.raises(ReportError, match="has no case that says which digits"):
        answers_in(sample, ())
