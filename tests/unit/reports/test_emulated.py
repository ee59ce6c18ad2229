"""Answers on an emulated processor: the table, what it comes to, and reports that hold them."""

import msgspec
import pytest

from crossrt.core.evaluation import OutputError
from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.ci_files import has_failed
from crossrt.reports.schema.checks import check_report
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.tables.emulated import Answered, emulated_notes, emulated_sheet
from crossrt.reports.tables.summary import Summary


@pytest.fixture
def answered(make_evaluation, sample):
    """Makes a row: its signal-to-noise ratios here and there."""

    def make(native: float | None, there: float | None, **changes) -> EmulatedAnswers:
        both = {
            name: msgspec.structs.replace(
                make_evaluation(), outputs=(OutputError(output="y", max_abs=0.0, relative=0.0, sqnr_db=value),)
            )
            for name, value in (("native", native), ("emulated", there))
        }
        fields = {
            "variant": "int8",
            "runtime": "ort-cpu",
            "samples": 200,
            "flips": 3,
            "max_steps": 9.0,
            "relative": 0.1,
        }
        return EmulatedAnswers(
            case=sample.results[0].case, cpu="avx2", emulator="valgrind", status="ok", **{**fields, **both, **changes}
        )

    return make


def _answered(sample, *rows):
    return Answered(rows=rows, definitions=sample.definitions)


def test_a_file_has_a_row_for_each_processor(sample, answered):
    sheet = emulated_sheet(_answered(sample, answered(37.9, 21.6), answered(30.0, 30.0, variant="other", flips=0)))
    texts = [[cell.text for cell in row] for row in sheet.rows]
    assert sheet.columns == ("case", "CPU", "top-1 %", "SQNR dB", "flips", "LSB")
    assert texts[0] == ["int8@ort-cpu", "native", "99.00", "37.9", "-", "-"]
    assert texts[1] == ["int8@ort-cpu", "avx2", "99.00", "21.6", "3", "9"]
    assert [row[3].tone for row in sheet.rows] == [None, "bad", None, None]


def test_rows_of_different_numbers_of_samples_say_so(sample, answered):
    sheet = emulated_sheet(_answered(sample, answered(30, 30), answered(30, 30, samples=64)))
    assert [row[2].text for row in sheet.rows] == ["200", "200", "64", "64"]
    assert "samples" in sheet.columns
    assert "200" not in sheet.title


def test_what_helps_is_named_with_its_own_ratio(sample, answered):
    cures = [
        answered(37.9, 37.8, cure="session.x64quantprecision=1", flips=0),
        answered(36.0, 36.0, cure="reduce_range", variant="int8-qdq-reduced", flips=0),
        answered(36.0, 20.0, cure="uint8 weights", variant="int8-qdq-u8u8", flips=2),
    ]
    lines = list(emulated_notes(_answered(sample, answered(37.9, 21.6), *cures)))
    assert lines[0].startswith("int8@ort-cpu has 21.6 dB on avx2 where it has 37.9 here, and 3 samples of 200 get")
    assert lines[1] == (
        "what helps there: session.x64quantprecision=1 (37.8 dB); the recipe int8-qdq-reduced (reduce_range, 36.0 dB)"
    )
    assert len(lines) == 2


def test_where_native_answers_are_the_reference_the_difference_from_them_counts(sample, answered):
    (line, helps) = emulated_notes(_answered(sample, answered(None, 21.2, relative=0.087)))
    assert "has 21.2 dB on avx2 against its own answers here" in line
    assert helps.startswith("what may help: session.x64quantprecision=1")
    (line,) = emulated_notes(_answered(sample, answered(None, 60.0, relative=0.001)))
    assert line == "on avx2 int8@ort-cpu answers within 0.5 dB of here"


def test_a_report_keeps_them_and_one_without_them_is_read(sample, answered, tmp_path):
    assert sample.emulated == ()
    report = msgspec.structs.replace(sample, emulated=(answered(37.9, 21.6),))
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json").emulated == report.emulated
    assert any("emulated avx2" in sheet.title for sheet in Summary(report).sheets())


def test_a_failure_there_is_a_failure_of_the_report(sample, answered):
    fine = msgspec.structs.replace(sample, emulated=(answered(37.9, 21.6),))
    failed = EmulatedAnswers(
        case=sample.results[0].case,
        cpu="avx2",
        emulator="v",
        status="failed",
        reason="it crashed",
        variant="a",
        runtime="b",
    )
    assert not has_failed(fine)
    report = msgspec.structs.replace(sample, emulated=(failed,))
    assert has_failed(report)
    assert "a@b on avx2: failed: it crashed" in Summary(report).notes(None)


def test_a_damaged_row_is_refused(sample, answered):
    row = answered(37.9, 21.6)
    for damaged, message in (
        (msgspec.structs.replace(row, case="no case"), "answers of no case on avx2, which is not one of its cases"),
        (msgspec.structs.replace(row, emulated=None), "is ok and has no answers"),
    ):
        with pytest.raises(ReportError, match=message):
            check_report(msgspec.structs.replace(sample, emulated=(damaged,)))
