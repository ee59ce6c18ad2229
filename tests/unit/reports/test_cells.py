"""How numbers of a metric are written, and how cases are called."""

from __future__ import annotations

import msgspec
import pytest

from crossrt.core.metric import MetricDefinition
from crossrt.reports.schema.records import Metric
from crossrt.reports.text.cells import counted, interval_text, times_as_fast, title_of, written
from crossrt.reports.text.labels import case_labels, subject_labels
from crossrt.reports.text.patterns import case_matches


@pytest.mark.parametrize(
    ("number_format", "value", "text"),
    [
        ("percent", 0.99414, "99.41"),
        ("decimal", 2.275, "2.27"),
        ("significant", 0.0012345, "0.00123"),
        ("count", 32_702.4, "32,702"),
        ("microseconds", 9_876, "9.88"),
        ("microseconds", 34_151, "34.2"),
        ("microseconds", 2_000_000_000, "2,000,000"),
        ("milliseconds", 5_318_603, "5.32"),
        ("kilobytes", 492_114, "492.1"),
        ("megabytes", 77_074_432, "77.1"),
    ],
)
def test_numbers_are_written_as_their_format_says(number_format, value, text):
    assert written(value, number_format) == text


def definition(label, unit, number_format="significant"):
    return MetricDefinition(name="x", label=label, unit=unit, direction="smaller_is_better", format=number_format)


@pytest.mark.parametrize(
    ("label", "unit", "number_format", "title"),
    [
        ("p50", "ns", "microseconds", "p50 µs"),
        ("top-1", "share", "percent", "top-1 %"),
        ("speed-up", "ratio", "decimal", "speed-up"),
        ("MAE", "m/s", "significant", "MAE m/s"),
        ("SQNR", "dB", "decimal", "SQNR dB"),
    ],
)
def test_a_column_is_headed_by_label_and_unit(label, unit, number_format, title):
    assert title_of(definition(label, unit, number_format)) == title


@pytest.mark.parametrize(
    ("value", "lower", "upper", "number_format", "text"),
    [
        (0.99, 0.98, 0.995, "percent", "99.00 ±0.75"),
        (0.01, 0.001, 0.02, "percent", "1.00 ±0.95"),
        (50_000, 49_000, 51_000, "microseconds", "50.0 ±1.0"),
        (50_000, 30_000, 90_000, "microseconds", "50.0 ×÷1.8"),
        (4_980, 249, 99_600, "microseconds", "4.98 ×÷>10"),
        (1.5, 1.4, 1.6, "significant", "1.5 ±0.1"),
    ],
)
def test_half_of_the_interval_stands_beside_the_value(value, lower, upper, number_format, text):
    metric = Metric(case="c", name="x", value=value, unit="u", direction="smaller_is_better", lower=lower, upper=upper)
    assert interval_text(metric, definition("x", "u", number_format)) == text


def test_words_of_numbers():
    assert [counted(1, "batch"), counted(2, "batch"), counted(10_000, "sample")] == [
        "1 batch",
        "2 batches",
        "10,000 samples",
    ]
    assert [times_as_fast(2.001), times_as_fast(1.049), times_as_fast(1.0124, 3)] == [
        "twice as fast",
        "1.05 times as fast",
        "1.012 times as fast",
    ]


def test_names_leave_out_what_all_cases_share(make_result):
    results = [make_result("fp32@tflite"), make_result("int8@tflite"), make_result("int8@tflite", batch_size=8)]
    assert list(subject_labels(results).values()) == ["fp32@tflite", "int8@tflite"]
    assert list(case_labels(results[:2]).values()) == ["fp32@tflite", "int8@tflite"]
    assert list(case_labels(results).values()) == ["fp32@tflite/b1", "int8@tflite/b1", "int8@tflite/b8"]


def test_the_model_is_named_where_there_are_several(make_result):
    first = make_result("fp32@tflite")
    found = subject_labels([first, msgspec.structs.replace(first, model="other", subject="s", case="c")])
    assert list(found.values()) == ["mnist-cnn.fp32@tflite", "other.fp32@tflite"]


def test_subjects_that_would_share_a_name_keep_their_own(make_result):
    results = [make_result(subject_name) for subject_name in ("fp32@ort-cpu", "int8@ort-cpu")]
    newer = msgspec.structs.replace(results[0], case="c", subject="newer")
    assert list(subject_labels([*results, newer]).values()) == ["mnist-cnn.fp32@ort-cpu", "int8@ort-cpu", "newer"]


def test_names_do_not_depend_on_what_ids_look_like(make_result):
    odd = msgspec.structs.replace(make_result(), case="@@/x.y", subject="a.b.c@d@e", variant="v", runtime="r")
    assert subject_labels([odd]) == {"a.b.c@d@e": "v@r"}


@pytest.mark.parametrize(
    ("pattern", "fits"), [("int8*", True), ("int8@tflite", True), ("*/b1/*", True), ("tflite", True), ("fp32*", False)]
)
def test_patterns_select_cases_by_id_subject_or_label(make_result, pattern, fits):
    assert case_matches(pattern, make_result("int8@tflite")) is fits


@pytest.mark.parametrize("unit", ["output", "label"])
def test_the_unit_of_a_model_s_own_outputs_is_not_written(unit):
    assert title_of(definition("max abs error", unit, "significant")) == "max abs error"
