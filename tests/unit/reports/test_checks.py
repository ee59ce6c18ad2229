"""Reports that are well-typed and cannot be true."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.checks import check_report
from crossrt.reports.schema.files import read_duel, read_report, write_report
from crossrt.reports.schema.records import Distance, LayerErrors


def saved(report, tmp_path):
    path = tmp_path / "report.json"
    write_report(report, path)
    return path


def with_result(report, **changes):
    first, *rest = report.results
    return msgspec.structs.replace(report, results=(msgspec.structs.replace(first, **changes), *rest))


def with_distances(report, one, other, count=1):
    found = Distance(one=one, other=other, kl_nats=0.1, kl_back_nats=0.2)
    return msgspec.structs.replace(report, distances=(found,) * count)


def with_layers(report, *artifacts):
    layers = tuple(LayerErrors(artifact=name, samples=10, tensors=()) for name in artifacts)
    return msgspec.structs.replace(report, layers=layers)


def test_a_sound_report_is_read(make_result, make_report, tmp_path):
    assert read_report(saved(make_report(make_result()), tmp_path))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda report: msgspec.structs.replace(report, results=report.results * 2), "is there 2 times"),
        (lambda report: with_result(report, rounds=()), "is ok and has no rounds"),
        (lambda report: msgspec.structs.replace(report, metrics=()), "is ok and has no metrics"),
        (lambda report: with_result(report, rounds=report.results[0].rounds * 2), "holds a round twice"),
        (
            lambda report: with_result(
                report, accuracy=msgspec.structs.replace(report.results[0].evaluation, correct=100_000)
            ),
            "calls 100000 of 200 digits right",
        ),
        (lambda report: with_result(report, calls_per_block=0), "has blocks of 0 calls"),
        (lambda report: with_result(report, calls_per_block=71), "has blocks of 71 calls"),
        (
            lambda report: msgspec.structs.replace(report, metrics=report.metrics * 2),
            "is there 2 times",
        ),
        (
            lambda report: msgspec.structs.replace(
                report, metrics=(msgspec.structs.replace(report.metrics[0], unit="ns", value=0.0),)
            ),
            "is 0",
        ),
        (
            lambda report: with_result(
                report, accuracy=msgspec.structs.replace(report.results[0].evaluation, misclassified=((5, 1),))
            ),
            "names 1 wrong answers and counts others",
        ),
        (lambda report: with_distances(report, report.results[0].case, "m.other@x/b1/t1"), "are not two of its cases"),
        (lambda report: with_distances(report, *[report.results[0].case] * 2), "are not two of its cases"),
        (lambda report: with_layers(report, "m.other.onnx"), "diagnoses m.other.onnx, which is none of its files"),
        (lambda report: with_layers(report, *[report.artifacts[0].id] * 2), "diagnoses .* 2 times"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(make_result, make_report, tmp_path, break_it, message):
    path = saved(break_it(make_report(make_result())), tmp_path)
    with pytest.raises(ReportError, match=message):
        read_report(path)


@pytest.mark.parametrize("value", ["-5", "9" * 16, "1" + "0" * 400, "NaN", "1.5", '"5"', "null"])
def test_times_that_are_no_times_are_refused(make_result, make_report, tmp_path, value):
    path = saved(make_report(make_result()), tmp_path)
    path.write_text(path.read_text().replace('"load_ns":1000000', f'"load_ns":{value}', 1))
    with pytest.raises(ReportError, match="report"):
        read_report(path)


def test_a_report_is_no_duel(make_result, make_report, tmp_path):
    with pytest.raises(ReportError, match="is no duel"):
        read_duel(saved(make_report(make_result()), tmp_path))


def test_a_pair_that_is_compared_twice_is_refused(make_result, make_report, tmp_path):
    report = make_report(make_result(), make_result("int8@tflite"))
    names = [result.case for result in report.results]
    assert read_report(saved(with_distances(report, *names), tmp_path)).distances[0].kl_nats == 0.1
    with pytest.raises(ReportError, match=r"the distance of .* is there 2 times"):
        read_report(saved(with_distances(report, *names, count=2), tmp_path))


@pytest.mark.parametrize("number", [1e300, -1e300, 5e-324])
@pytest.mark.parametrize("field", ["value", "lower", "upper"])
def test_numbers_that_arithmetic_cannot_hold_are_refused(sample, field, number):
    first, *others = (metric for metric in sample.metrics if metric.unit == "share")
    odd = msgspec.structs.replace(first, **{field: number})
    with pytest.raises(ReportError, match=re.escape(f"{first.name} of {first.case} is {number:g}")):
        check_report(msgspec.structs.replace(sample, metrics=(odd, *others)), Path("report.json"))
