"""Tables at 60, 80 and 100 columns: no number and no name loses a character, and what has no room is named."""

from __future__ import annotations

import io
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from crossrt.reports.schema.records import LayerErrors, TensorError
from crossrt.reports.tables.agreement import answers_in, baseline_of, change_sheet, confusion_sheet
from crossrt.reports.tables.agreement_matrix import agreement_sheet
from crossrt.reports.tables.details import class_sheet
from crossrt.reports.tables.details import confusion_sheet as own_confusion_sheet
from crossrt.reports.tables.layers import layer_sheet
from crossrt.reports.tables.summary import Summary
from crossrt.reports.tables.terminal import MARK, fitted, print_sheet
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.consoles import LEAST_WIDTH, LOG_WIDTH, message_console, result_console
from crossrt.reports.verdicts.choice.pareto import front_sheet, fronts
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.comparison.sheets import findings_sheet

WIDTHS = (60, 80, 100)
_NUMBER = re.compile(r"\d")
LONG = "grid-qoperator-uint8-no_per_channel-no_activation_symmetric-no_reduce_range-minmax@ort-cpu"
SUBJECTS = ("fp32@ort-cpu", "int8-qoperator@ort-cpu", "int8-dynamic@tflite", LONG)


def text_of(sheet: Sheet, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_sheet(sheet, console)
    return console.file.getvalue()


def check_whole(sheet: Sheet, width: int) -> None:
    """Nothing is wider than the console; numbers stand as they are, names may go on in the next line."""
    text = text_of(sheet, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    words, flat = set(text.split()), "".join(text.split())
    shown, dropped = fitted(sheet, width)
    for row in shown.rows:
        for cell in row:
            for word in (cell.text + MARK * cell.best).split():
                if _NUMBER.search(word) and len(word) <= 12:
                    assert word in words, (word, width)
        assert all(piece in flat for piece in re.findall(r"[^-_@./\s]{2,}", row[0].text))
    assert ("not shown for lack of room: " + ", ".join(dropped) in " ".join(text.split())) == bool(dropped)


NUMBERS = st.from_regex(r"\A[+-]?[1-9][0-9]{0,3}\.[0-9]{1,2}( ±[0-9]{1,2}\.[0-9])?\Z")
NAMES = st.from_regex(r"\A[a-z]{2,9}([-_@./][a-z0-9]{2,9}){0,8}\Z")


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(2, 12), st.integers(1, 3))
def test_no_table_cuts_anything(data, columns, rows):
    cells = [
        (Cell(text=data.draw(NAMES)), *(Cell(text=data.draw(NUMBERS), best=place == 1) for place in range(1, columns)))
        for _ in range(rows)
    ]
    names = ("case", *(f"metric {place} µs" for place in range(1, columns)))
    sheet = Sheet(title="t", columns=names, rows=tuple(cells), dropped_first=names[2:4])
    for width in WIDTHS:
        check_whole(sheet, width)


@pytest.fixture
def report(make_result, make_report, make_evaluation):
    results = [
        make_result(each, batch_size=size, medians=[30_000, 33_000, 36_000], evaluation=make_evaluation(wrong=place))
        for size in (1, 32)
        for place, each in enumerate(SUBJECTS)
    ]
    found = make_report(*results)
    tensor = TensorError(
        tensor="model/block/conv2d_17/BiasAdd",
        role="activation",
        dtype="uint8",
        sqnr_db=12.345,
        relative_error=0.25,
        cosine=0.99,
        saturated=0.5,
        clipped=0.25,
    )
    layers = tuple(LayerErrors(artifact=each.id, samples=10, tensors=(tensor,)) for each in found.artifacts)
    return msgspec.structs.replace(found, layers=layers)


def sheets_of(report, width):
    """Every table that a command makes of a report."""
    chosen, baseline = answers_in(report, ()), baseline_of(report)
    other = msgspec.structs.replace(report, run=msgspec.structs.replace(report.run, id="other"))
    yield from Summary(report).sheets()
    yield change_sheet(report, chosen, baseline)
    yield agreement_sheet(report, chosen, "agreement", width)
    yield confusion_sheet(baseline, chosen[-1], chosen[-1].result.case)
    yield class_sheet(baseline.evaluation.classes)
    yield own_confusion_sheet(baseline.evaluation.classes)
    yield layer_sheet(report)
    yield from (front_sheet(report, front) for front in fronts(report))
    yield findings_sheet(compare_reports(report, other, Question()), everything=True)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_table_of_a_report_is_whole(report, width):
    found = list(sheets_of(report, width))
    assert len(found) > 10
    for sheet in found:
        check_whole(sheet, width)


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (60, ("case", "metric", "verdict")),
        (80, ("case", "metric", "baseline", "current", "verdict")),
        (100, ("case", "metric", "baseline", "current", "change", "verdict")),
    ],
)
def test_a_comparison_keeps_what_was_and_what_is_before_its_interval(
    make_result, make_report, make_evaluation, width, columns
):
    def of(level, wrong):
        evaluation, medians = make_evaluation(wrong=wrong), [level, level + 99] * 3
        results = (
            make_result("int8-qoperator@ort-cpu", batch_size=size, medians=medians, evaluation=evaluation)
            for size in (1, 32)
        )
        return make_report(*results, id=str(level))

    before, after = of(30_000, 2), of(60_000, 80)
    sheet = findings_sheet(compare_reports(before, after, Question()), everything=True)
    shown, _ = fitted(sheet, width)
    assert shown.columns == columns
    assert any("less accurate > 0.1 pp" in row[-1].text for row in shown.rows)
    check_whole(sheet, width)


@pytest.mark.parametrize(("columns", "expected"), [(None, LOG_WIDTH), ("70", 70), ("5", LEAST_WIDTH)])
def test_messages_and_tables_of_a_log_are_as_wide_as_each_other(monkeypatch, capsys, columns, expected):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert [message_console().width, result_console().width] == [expected] * 2


def test_what_explains_a_column_goes_with_it():
    lines = ("speed-up: over float", "saved as x")
    sheet = Sheet(
        title="Candidates",
        columns=("name", "bound", "speed-up"),
        rows=((Cell(text="dense"), Cell(text="0.1"), Cell(text="1.20 [1.10, 1.30], in shared rounds of both")),),
        footer=lines,
        about=((lines[0], ("speed-up",)),),
    )
    assert all(line in text_of(sheet, 80) for line in lines)
    narrow = text_of(sheet, 40)
    assert lines[1] in narrow
    assert "not shown for lack of room: speed-up" in " ".join(narrow.split())
    assert lines[0] not in " ".join(narrow.split())
