"""One case in full: scores by class, confusion matrix, operators, and what a failed process wrote."""

from __future__ import annotations

import msgspec
import pytest

from crossrt.core.evaluation import ClassDetails, ClassScore
from crossrt.reports.errors import ReportError
from crossrt.reports.tables.details import class_sheet, confusion_sheet, most_confused


def test_details_hold_the_scores_of_every_class(sample, printed):
    text = printed(sample, case="int8-qdq")
    assert "mnist-cnn.int8-qdq@ort-cpu/b1/t1: ok" in text
    for index, score in enumerate(sample.results[1].evaluation.classes.scores):
        assert [str(index), f"{100 * score.precision:.2f}", f"{100 * score.recall:.2f}", f"{100 * score.f1:.2f}"] in [
            line.split()[:4] for line in text.splitlines()
        ]


def test_details_hold_the_confusion_matrix_with_dots_for_zeros(sample, printed):
    lines = [line.split() for line in printed(sample, case="int8-qdq").splitlines()]
    cells = {(true, given): str(count) for true, given, count in sample.results[1].evaluation.classes.confusion}
    for index in range(10):
        assert [str(index), *(cells.get((index, given), ".") for given in range(10))] in lines


def test_details_hold_every_metric_with_the_reference_and_every_output(sample, printed):
    lines = [line.split() for line in printed(sample, case="int8-qdq").splitlines()]
    assert ["top-1", "99.43", "%", "99.41"] in lines
    assert any(line[:2] == ["logits", "6.867"] for line in lines)


def test_of_many_classes_the_worst_and_the_most_confused_are_shown(make_result, make_report, make_evaluation, printed):
    scores = tuple(ClassScore(precision=1, recall=1, f1=index / 1000, support=1) for index in range(1000))
    cells = tuple((index, index + 1, index + 1) for index in range(500))
    classes = ClassDetails(scores=scores, confusion=(*cells, (999, 999, 10_000)))
    evaluation = msgspec.structs.replace(make_evaluation(), classes=classes)
    text = printed(make_report(make_result(evaluation=evaluation)), case="fp32")
    lines = [line.split() for line in text.splitlines()]
    assert "20 of 1,000 classes with the lowest F1" in text
    assert "most confused pairs: 12 of 500" in text
    assert ["499", "500", "500"] in lines
    assert len(lines) < 60


def test_details_name_the_operators(sample, printed):
    text = " ".join(printed(sample, case="int8-qdq").split())
    assert f"operators: {', '.join(sample.results[1].operators)}" in text


def test_details_fit_80_columns(sample, printed):
    assert max(map(len, printed(sample, case="mnist").splitlines())) <= 80


def test_details_show_all_cases_that_the_pattern_fits(sample, printed):
    text = printed(sample, case="fp32@")
    assert "fp32@ort-cpu/b1/t1: ok" in text
    assert "fp32@tflite/b1/t1: ok" in text
    assert "int8" not in text


def test_details_of_a_failed_case_show_why_and_what_it_wrote(make_result, make_report, printed):
    failed = make_result(
        status="failed", reason="killed by [signal 11]", stderr_tail="line 1\nSegmentation fault [core]", rounds=()
    )
    text = printed(make_report(failed), case="fp32")
    assert "b1/t1: failed" in text
    assert "killed by [signal 11]" in text
    assert "line 1\nSegmentation fault [core]" in text


def test_control_signs_that_a_process_wrote_do_not_reach_the_terminal(make_result, make_report, printed):
    failed = make_result(
        status="failed", reason="crashed", stderr_tail="\x1b[31mred\x1b[0m \x1b]0;title\x07", rounds=()
    )
    assert "\x1b" not in printed(make_report(failed), case="fp32")


def test_a_case_that_never_answered_has_no_tables(make_result, make_report, printed):
    skipped = make_result(status="skipped", reason="not installed", rounds=(), evaluation=None, memory=None)
    assert printed(make_report(skipped), case="fp32").split("\n") == [
        "mnist-cnn.fp32@ort-cpu/b1/t1: skipped",
        "not installed",
        "",
        "",
    ]


def test_a_pattern_that_fits_nothing_lists_what_is_available(sample, printed):
    with pytest.raises(ReportError, match="contains 'int4'") as caught:
        printed(sample, case="int4")
    for result in sample.results:
        assert result.case in str(caught.value)


def test_classes_are_called_by_their_names():
    classes = ClassDetails(
        scores=(
            ClassScore(precision=1, recall=0.5, f1=0.7, support=2),
            ClassScore(precision=0, recall=0, f1=0, support=1),
        ),
        confusion=((0, 0, 1), (0, 1, 1), (1, 0, 1)),
    )
    names = ("cat", "a name that is much\nlonger than a table")
    long = "1 a name that is much⏎lon…"
    assert [row[0].text for row in class_sheet(classes, names).rows] == ["0 cat", long]
    assert [row[0].text for row in confusion_sheet(classes, names).rows] == ["0 cat", long]
    assert [cell.text for cell in most_confused(classes, names).rows[0]] == ["0 cat", long, "1"]
    assert [row[0].text for row in class_sheet(classes).rows] == ["0", "1"]
