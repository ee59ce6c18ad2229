"""Reports as text 80 columns wide, without colour: nothing is cut off."""

from __future__ import annotations

import pytest

from crossrt.reports.tables.summary import Summary
from crossrt.reports.tables.terminal import MARK

VARIANTS = ("fp32@ort-cpu", "int8-qdq@ort-cpu", "int8-qoperator@ort-cpu", "int8-dynamic@ort-cpu", "fp32@tflite")


def squeezed(text: str) -> str:
    """Text without white space: what was wrapped compares equal."""
    return "".join(text.split())


@pytest.fixture(params=[1_000, 50_000, 3_000_000, 900_000_000], ids="{}ns".format)
def report(request, make_result, make_report):
    """Five variants at two batch sizes; rounds that scatter by a tenth."""
    scatter = [int(request.param * factor) for factor in (1.0, 1.1, 1.2)]
    return make_report(*(make_result(each, batch_size=size, medians=scatter) for size in (1, 32) for each in VARIANTS))


def check_whole(report, text):
    """Every heading and every number stands in the text in one piece."""
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for sheet in Summary(report).sheets():
        assert sheet.title in text
        for name in sheet.columns:
            assert name in text
        for row in sheet.rows:
            assert squeezed(row[0].text)[:6] in text
            for cell in () if sheet.is_text else row[1:]:
                assert cell.text + MARK * cell.best in text


def test_a_report_fits_80_columns(report, printed):
    check_whole(report, printed(report))


def test_a_real_report_fits_80_columns(sample, printed):
    check_whole(sample, printed(sample))


def test_every_case_stands_in_one_piece(report, printed):
    words = printed(report).split()
    for subject in VARIANTS:
        assert words.count(subject) >= 3


def test_native_cases_fit_80_columns(make_result, make_report, printed):
    results = [
        make_result(each, io="native", case=f"mnist-cnn.{each}/b1/t1/native", medians=[50_000, 60_000])
        for each in VARIANTS
    ]
    report = make_report(*results)
    check_whole(report, printed(report))


def test_many_batch_sizes_fit_80_columns(make_result, make_report, printed):
    report = make_report(*(make_result(batch_size=size) for size in (1, 8, 32, 64, 128, 256)))
    text = printed(report)
    check_whole(report, text)
    assert text.split().count("fp32@ort-cpu") >= 8


def test_long_model_names_are_folded_and_numbers_kept(make_result, make_report, printed):
    subject = f"{'a-very-long-name' * 4}@ort-cpu"
    report = make_report(make_result(), make_result(subject))
    text = printed(report)
    check_whole(report, text)


def test_best_marks_need_no_colour(make_result, make_report, printed):
    text = printed(make_report(make_result(medians=[90_000]), make_result("int8-qdq@ort-cpu", medians=[30_000])))
    assert "30.0*" in text
    assert "90.0*" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_case_without_result_is_printed_with_its_whole_reason(make_result, make_report, printed, status):
    reason = (
        "the worker was killed by signal 9 (SIGKILL), most likely because it ran out of memory; raise --memory-limit"
    )
    absent = make_result("int8-qoperator@ort-cpu", status=status, reason=reason, rounds=())
    text = printed(make_report(make_result(), absent))
    lines = text[text.index("Not measured") :].split("\n\n")[0].splitlines()[3:]
    reason_column = lines[0].index("the worker")
    assert squeezed("".join(line[reason_column:] for line in lines)) == squeezed(reason)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count(status) >= 2


def test_square_brackets_in_a_reason_are_no_markup(make_result, make_report, printed):
    absent = make_result("int8-qdq@ort-cpu", status="failed", reason="[red]shape [1, 28][/red]", rounds=())
    assert "[red]shape [1, 28][/red]" in printed(make_report(make_result(), absent))


def test_control_signs_in_a_reason_do_not_reach_the_terminal(make_result, make_report, printed):
    absent = make_result("int8-qdq@ort-cpu", status="failed", reason="a\x1b]0;title\x07\x1b[2Jb", rounds=())
    assert "\x1b" not in printed(make_report(make_result(), absent))


def test_an_interrupted_run_says_so(make_result, make_report, printed):
    assert "INTERRUPTED" in printed(make_report(make_result(), status="interrupted"))


def test_a_report_without_any_case_is_printed(make_report, printed):
    assert "complete" in printed(make_report())


def test_no_line_ends_in_blanks(make_result, make_report, printed):
    absent = make_result("int8-qdq@ort-cpu", status="failed", reason="crashed " * 30, rounds=())
    report = make_report(make_result(), absent)
    for text in (printed(report), printed(report, case="fp32@ort-cpu")):
        assert [line for line in text.splitlines() if line != line.rstrip()] == []
