"""Where a call lies under the roofline, and how a report shows it."""

import msgspec
import pytest

from crossrt.reports.page.plots.roofline import roofline
from crossrt.reports.schema.roofline import Limits, Peak, Roofline, Work
from crossrt.reports.statistics.roofline import Point, attainable, is_bound_by_memory, point_of
from crossrt.reports.tables.roofline import kernel_rows, roofline_sheet, uncounted_notes
from crossrt.reports.tables.summary import Summary

LIMITS = Limits(
    threads=1,
    peaks=(
        Peak(dtype="float32", ops_per_s=100e9, by="a 1"),
        Peak(dtype="int8", ops_per_s=400e9, by="a 1"),
    ),
    bandwidth_bytes_per_s=10e9,
    missing=("bf16, for which b is not installed",),
)


@pytest.fixture
def counted(sample):
    """A report whose float files have a known amount of work."""
    work = tuple(
        Work(artifact=artifact.id, dtype="float32", macs=1_000_000, weight_bytes=4000, io_bytes=1000)
        for artifact in sample.artifacts
    )
    return msgspec.structs.replace(sample, roofline=Roofline(limits=LIMITS, work=work))


def test_weights_are_read_once_for_all_samples_of_a_call():
    work = Work(artifact="a", dtype="int8", macs=500, weight_bytes=100, io_bytes=10)
    point = point_of(work, 4, 2.0)
    assert (point.ops, point.bytes, point.ops_per_s) == (4000, 140, 2000)
    assert point.intensity == pytest.approx(4000 / 140)


@pytest.mark.parametrize(
    ("dtype", "intensity", "expected", "by_memory"),
    [("float32", 5, 50e9, True), ("float32", 20, 100e9, False), ("int8", 20, 200e9, True), ("int8", 80, 400e9, False)],
)
def test_the_roof_is_the_lower_of_peak_and_memory(dtype, intensity, expected, by_memory):
    point = Point(ops=intensity, bytes=1, seconds=1, dtype=dtype)
    assert attainable(LIMITS, point) == expected
    assert is_bound_by_memory(LIMITS, point) is by_memory


def test_a_type_without_a_peak_has_no_share():
    point = Point(ops=1, bytes=1, seconds=1, dtype="bfloat16")
    assert attainable(LIMITS, point) is is_bound_by_memory(LIMITS, point) is None
    ((*_, peak, roof, bound),) = kernel_rows(LIMITS, [("Conv", "float", 1e9, point)])
    assert [cell.text for cell in (peak, roof, bound)] == ["-", "-", "no peak"]


def test_kernels_without_macs_have_a_time_alone():
    ((*cells,),) = kernel_rows(LIMITS, [("Relu", "float", 2000.0, None)])
    assert [cell.text for cell in cells] == ["Relu", "float", "2.0", *["-"] * 6]


def test_a_report_shows_each_case_that_was_timed(counted):
    sheet = roofline_sheet(counted)
    timed = {metric.case for metric in counted.metrics if metric.name == "latency_p50_ns"}
    assert len(sheet.rows) == len(timed)
    latency = next(metric.value for metric in counted.metrics if metric.name == "latency_p50_ns")
    assert f"{2e6 / latency:,.1f}" in {row[3].text for row in sheet.rows}
    assert "fp32 100 GOP/s (a 1), int8 400 GOP/s (a 1); memory 10.0 GB/s" in sheet.footer[0]
    assert sheet.footer[-1] == "not measured: bf16, for which b is not installed"
    assert sheet.title in {each.title for each in Summary(counted).sheets()}


def test_a_report_without_limits_shows_none(sample):
    assert roofline_sheet(sample).rows == ()
    assert roofline(sample) is None
    assert list(uncounted_notes(sample)) == []


def test_the_plot_has_a_name_for_each_point_and_a_roof_for_each_peak(counted):
    plot = roofline(counted)
    texts = [text.get_text() for text in plot.figure.axes[0].texts]
    assert {"fp32 100 GOP/s", "int8 400 GOP/s", "memory 10 GB/s"} <= set(texts)
    assert len(texts) == 3 + len(roofline_sheet(counted).rows)


def test_what_is_not_counted_is_said(counted):
    (first, *others) = counted.roofline.work
    work = (msgspec.structs.replace(first, uncounted=("Einsum",)), *others)
    report = msgspec.structs.replace(counted, roofline=Roofline(limits=LIMITS, work=work))
    assert list(uncounted_notes(report)) == [
        f"{first.artifact}: the work of Einsum is not counted, so its shares are too low"
    ]
