"""Reports as text of a given width, without colour: nothing is cut off."""

from __future__ import annotations

import io
from dataclasses import replace

import msgspec
import pytest
from rich.console import Console

from crossrt.core.artifact import Quantization
from crossrt.reports.tables.accuracy import hollow_notes
from crossrt.reports.tables.summary import Summary
from crossrt.reports.tables.terminal import MARK, fitted, print_sheet
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.verdicts.choice.pareto import front_sheet, fronts
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.comparison.sheets import findings_sheet

VARIANTS = ("fp32@ort-cpu", "int8-qdq@ort-cpu", "int8-qoperator@ort-cpu", "int8-dynamic@ort-cpu", "fp32@tflite")


def squeezed(text: str) -> str:
    """Text without white space: what was wrapped compares equal."""
    return "".join(text.split())


@pytest.fixture(params=[1_000, 50_000, 3_000_000, 900_000_000], ids="{}ns".format)
def report(request, make_result, make_report):
    """Five variants at two batch sizes; rounds that scatter by a tenth."""
    scatter = [int(request.param * factor) for factor in (1.0, 1.1, 1.2)]
    return make_report(*(make_result(each, batch_size=size, medians=scatter) for size in (1, 32) for each in VARIANTS))


def check_whole(report, text, width=80):
    """Every number and every heading stands in the text in one piece, but for columns that are named as left out."""
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    flat = " ".join(text.split())
    for sheet in Summary(report).sheets():
        assert sheet.title in flat
        shown, dropped = fitted(sheet, width)
        if dropped:
            assert f"not shown for lack of room: {', '.join(dropped)}" in flat
        assert set(dropped) <= set(sheet.dropped_first)
        for name in shown.columns:
            assert name in text
        for row in shown.rows:
            assert squeezed(row[0].text)[:6] in squeezed(text)
            for cell in () if sheet.is_text else row[1:]:
                assert cell.text + MARK * cell.best in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_report_fits_its_width(report, printed, width):
    check_whole(report, printed(report, width=width), width)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_real_report_fits_its_width(sample, printed, width):
    check_whole(sample, printed(sample, width=width), width)


def test_a_wider_console_shows_no_fewer_columns(report):
    for sheet in Summary(report).sheets():
        shown = [len(fitted(sheet, width)[0].columns) for width in (40, 60, 80, 100, 200)]
        assert shown == sorted(shown)
        assert shown[-1] == len(sheet.columns)


SHEET = Sheet(
    title="numbers",
    columns=("case", "first", "second", "third"),
    rows=((Cell(text="x" * 20), Cell(text="1" * 10, best=True), Cell(text="2" * 10), Cell(text="3" * 10)),),
    dropped_first=("second", "third"),
)
WIDTH = 20 + 11 + 10 + 10 + 2 * 4 - 1


@pytest.mark.parametrize(
    ("width", "dropped"),
    [
        (WIDTH, ()),
        (WIDTH - 1, ("second",)),
        (WIDTH - 12, ("second",)),
        (WIDTH - 13, ("second", "third")),
        (10, ("first", "second", "third")),
    ],
)
def test_columns_go_in_their_order_as_soon_as_there_is_too_little_room(width, dropped):
    shown, left_out = fitted(SHEET, width)
    assert left_out == dropped
    console = Console(width=width, file=io.StringIO())
    print_sheet(SHEET, console)
    text = console.file.getvalue()
    if width > 40:
        assert all(row[0].text in text and cell.text in text for row in shown.rows for cell in row)
    assert ("not shown for lack of room: " + ", ".join(dropped) in " ".join(text.split())) == bool(dropped)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_comparisons_and_fronts_fit_too(make_result, make_report, width):
    name = "a-variant-with-a-rather-long-name@ort-cpu"
    before = make_report(make_result(name, medians=[30_000, 30_100, 29_900] * 3), make_result(), id="before")
    after = make_report(make_result(name, medians=[60_000, 60_100, 59_900] * 3), make_result(), id="after")
    compared = findings_sheet(compare_reports(before, after, Question()), everything=True)
    for sheet in (compared, front_sheet(after, fronts(after)[0])):
        console = Console(width=width, file=io.StringIO())
        print_sheet(sheet, console)
        text = console.file.getvalue()
        assert max(map(len, text.splitlines())) <= width
        shown, dropped = fitted(sheet, width)
        assert all(cell.text in text for row in shown.rows for cell in row[1:])
        assert bool(dropped) == ("not shown for lack of room" in " ".join(text.split()))


def test_a_long_name_goes_on_after_one_of_its_signs(make_result, make_report, printed):
    name = "grid-qoperator-uint8-no_per_channel-no_activation_symmetric-no_reduce_range-minmax@ort-cpu"
    text = printed(make_report(make_result(name), make_result()), width=80)
    pieces = [word.rstrip(";,.") for word in text.split() if len(word) > 12 and word.rstrip(";,.") in name]
    assert all(piece[-1] in "-_@" or name.endswith(piece) for piece in pieces)
    assert len(pieces) > 6


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
    assert {"1", "8", "32", "64", "128", "256"} <= set(text.split())


def test_long_model_names_are_folded_and_numbers_kept(make_result, make_report, printed):
    subject = f"{'a-very-long-name' * 4}@ort-cpu"
    report = make_report(make_result(), make_result(subject))
    text = printed(report)
    check_whole(report, text)


def test_best_marks_need_no_colour(make_result, make_report, printed):
    text = printed(
        make_report(make_result(medians=[90_000] * 2), make_result("int8-qdq@ort-cpu", medians=[30_000] * 2))
    )
    assert "30.0 ±0.0*" in text
    assert "90.0*" not in text
    assert "\x1b" not in text


def test_the_share_of_quantized_weights_stands_beside_the_size(make_result, make_report, printed, sample):
    how = next(each.quantization for each in sample.artifacts if each.quantization is not None)
    report = make_report(make_result(), make_result("int8-qdq@ort-cpu"))
    shares = [None, msgspec.structs.replace(how, quantized_share=0.417)]
    files = [
        msgspec.structs.replace(each, quantization=share) for each, share in zip(report.artifacts, shares, strict=True)
    ]
    text = printed(msgspec.structs.replace(report, artifacts=tuple(files)))
    table = text[text.index("Size and") :].splitlines()
    assert "quantized %" in table[1]
    assert "quantized %: of the bytes of weights" in text
    assert "quantized %: " not in printed(make_report(make_result()))
    row = next(line for line in table if line.startswith("int8-qdq@ort-cpu"))
    assert " 41 " in row


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_case_without_result_is_printed_with_its_whole_reason(make_result, make_report, printed, status):
    reason = (
        "the worker was killed by signal 9 (SIGKILL), most likely because it ran out of memory; raise --memory-limit"
    )
    absent = make_result("int8-qoperator@ort-cpu", status=status, reason=reason, rounds=())
    text = printed(make_report(make_result(), absent))
    lines = text[text.index("Failed and skipped") :].split("\n\n")[0].splitlines()[3:]
    reason_column = lines[0].index("the worker")
    assert squeezed("".join(line[reason_column:] for line in lines)) == squeezed(reason)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count(status) >= 2


def test_square_brackets_in_a_reason_are_not_markup(make_result, make_report, printed):
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


STATIC = Quantization(
    scheme="static", representation="qdq", activation_type="uint8", weight_type="int8", granularity="per-tensor"
)
LSTM = "less than 1% of the weight bytes are quantized; LSTM keeps float weights"


def test_files_that_keep_nearly_all_their_weights_in_float_are_noted_once_with_the_operators():
    files = {
        "net.fp32.onnx": None,
        "net.a.onnx": replace(STATIC, quantized_share=0.004, cost_issues=(LSTM,)),
        "net.b.onnx": replace(STATIC, quantized_share=0.003, cost_issues=(LSTM,)),
        "net.c.onnx": replace(STATIC, quantized_share=0.6, cost_issues=("something else",)),
        "net.d.onnx": replace(STATIC, quantized_share=0.05),
        "net.e.onnx": STATIC,
    }
    assert hollow_notes(files) == [
        f"net.a.onnx, net.b.onnx: {LSTM}",
        "net.d.onnx: 5% of the weight bytes are quantized",
    ]
