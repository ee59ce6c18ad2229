"""Reports that are well-typed and cannot be true."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from crossrt.core.evaluation import ClassDetails, ClassScore, Packed
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


SHORT = Packed.of(np.ones(7, bool))
DAMAGED = Packed(dtype="bool", shape=(200,), data="AAAA")
BOMB = Packed(dtype="int64", shape=(200, 2**26), data=Packed.of(np.zeros(200)).data)
DEEP = Packed(dtype="int64", shape=(2**53,) * 100, data="")
UNKNOWN = Packed(dtype="object5", shape=(200,), data="")
CLASSES = ClassDetails(scores=(ClassScore(precision=1, recall=1, f1=1, support=1),), confusion=((0, 1, 1),))


def with_evaluation(report, **changes):
    return with_result(report, evaluation=msgspec.structs.replace(report.results[0].evaluation, **changes))


def with_disturbed(report, block):
    first, *rest = report.results[0].rounds
    return with_result(report, rounds=(msgspec.structs.replace(first, disturbed_blocks=(block,)), *rest))


def labelled(report, labels):
    return msgspec.structs.replace(report.data, labels=labels)


def test_a_sound_report_is_read(make_result, make_report, tmp_path):
    assert read_report(saved(make_report(make_result()), tmp_path))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda report: msgspec.structs.replace(report, results=report.results * 2), "is there 2 times"),
        (lambda report: with_result(report, rounds=()), "is ok and has no rounds"),
        (lambda report: msgspec.structs.replace(report, metrics=()), "is ok and has no metrics"),
        (lambda report: with_result(report, rounds=report.results[0].rounds * 2), "holds a round twice"),
        (lambda report: with_evaluation(report, counts={"top1": 201}), "counts 201 of 200 samples"),
        (lambda report: with_evaluation(report, values={"top1": float("inf")}), "top1 of .* is inf"),
        (lambda report: with_evaluation(report, reference_values={"top1": float("nan")}), "top1 of .* is nan"),
        (lambda report: with_evaluation(report, per_sample={"top1": SHORT}), "200 samples are expected"),
        (lambda report: with_evaluation(report, per_sample={"top1": DAMAGED}), "packed array is damaged"),
        (
            lambda report: with_evaluation(report, predictions=BOMB),
            r"its packed arrays take more than 268,435,456 bytes",
        ),
        (lambda report: with_evaluation(report, predictions=DEEP), "more than 8 dimensions"),
        (lambda report: with_evaluation(report, predictions=UNKNOWN), "the predictions of .* damaged"),
        (lambda report: with_evaluation(report, counts={"top1": 3}), "counts 3 samples and names 198"),
        (lambda report: with_evaluation(report, classes=CLASSES), "has other classes than its 1"),
        (lambda report: msgspec.structs.replace(report, data=labelled(report, SHORT)), "the labels has the shape"),
        (lambda report: with_disturbed(report, 70), "70 blocks, and others are marked as disturbed"),
        (lambda report: msgspec.structs.replace(report, artifacts=report.artifacts * 2), "the artifact .* 2 times"),
        (lambda report: msgspec.structs.replace(report, definitions=()), "which its definitions lack"),
        (
            lambda report: msgspec.structs.replace(report, definitions=report.definitions * 2),
            "the metric top1 is there 2 times",
        ),
        (
            lambda report: msgspec.structs.replace(
                report, metrics=(*report.metrics, msgspec.structs.replace(report.metrics[0], case="m.x@y"))
            ),
            "of m.x@y, which is not one of its cases",
        ),
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
        (lambda report: with_distances(report, report.results[0].case, "m.other@x/b1/t1"), "are not two of its cases"),
        (lambda report: with_distances(report, *[report.results[0].case] * 2), "are not two of its cases"),
        (lambda report: with_layers(report, "m.other.onnx"), "diagnoses m.other.onnx, which is not one of its files"),
        (lambda report: with_layers(report, *[report.artifacts[0].id] * 2), "the diagnosis of .* 2 times"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(make_result, make_report, tmp_path, break_it, message):
    broken = break_it(make_report(make_result()))
    with pytest.raises(ReportError, match=message):
        check_report(broken)
    with pytest.raises(ReportError, match="not written, as it could not be read again"):
        saved(broken, tmp_path)
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize("value", ["-5", "9" * 16, "1" + "0" * 400, "NaN", "1.5", '"5"', "null"])
def test_times_that_are_not_times_are_refused(make_result, make_report, tmp_path, value):
    path = saved(make_report(make_result()), tmp_path)
    path.write_text(path.read_text().replace('"load_ns":1000000', f'"load_ns":{value}', 1))
    with pytest.raises(ReportError, match="report"):
        read_report(path)


def test_a_report_is_not_an_ab_comparison(make_result, make_report, tmp_path):
    with pytest.raises(ReportError, match="is not an A/B comparison"):
        read_duel(saved(make_report(make_result()), tmp_path))


def test_a_pair_that_is_compared_twice_is_refused(make_result, make_report, tmp_path):
    report = make_report(make_result(), make_result("int8@tflite"))
    names = [result.case for result in report.results]
    assert read_report(saved(with_distances(report, *names), tmp_path)).distances[0].kl_nats == 0.1
    with pytest.raises(ReportError, match=r"the distance of .* is there 2 times"):
        check_report(with_distances(report, *names, count=2))


@pytest.mark.parametrize("number", [1e300, -1e300, 5e-324])
@pytest.mark.parametrize("field", ["value", "lower", "upper"])
def test_numbers_that_arithmetic_cannot_hold_are_refused(sample, field, number):
    first, *others = (metric for metric in sample.metrics if metric.unit == "share")
    odd = msgspec.structs.replace(first, **{field: number})
    with pytest.raises(ReportError, match=re.escape(f"{first.name} of {first.case} is {number:g}")):
        check_report(msgspec.structs.replace(sample, metrics=(odd, *others)))
