"""The league table of methods, from evaluations that are made up."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from crossrt.core.evaluation import Evaluation, OutputError, Packed
from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.datasets.tasks.classification import TOP1
from crossrt.harness.analyze import methods
from crossrt.harness.analyze.methods import League, Method, Methods, _in_order
from crossrt.harness.analyze.methods_tables import league_sheet, outputs_sheet, verdict
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject
from crossrt.reports.statistics.paired import PairedChange
from crossrt.reports.text.progress import Silent

SAMPLES = 10_000


def evaluation(wrong, decibels, *outputs):
    right = np.arange(SAMPLES) >= wrong
    errors = [OutputError(output=name, max_abs=1, sqnr_db=value) for name, value in (("logits", decibels), *outputs)]
    return Evaluation(
        task="classification",
        samples=SAMPLES,
        values={"top1": float(right.mean())},
        counts={"top1": int(right.sum())},
        per_sample={"top1": Packed.of(right)},
        outputs=tuple(errors),
    )


@pytest.fixture
def league(make_artifact):
    def make(*outputs):
        def method(item, plain, wrong, decibels):
            found = evaluation(wrong, decibels, *outputs)
            return Method(item=item, plain=plain, artifact=make_artifact(), evaluation=found)

        methods = [
            method("good.tflite", "plain.tflite", 100, 45.0),
            method("bad.tflite", "plain.tflite", 900, 12.0),
            method("plain.tflite", "plain.tflite", 300, 30.0),
        ]
        return League(
            model="net",
            metric=TOP1,
            floats={"tflite": method("fp32.tflite", "fp32.tflite", 100, None)},
            methods=_in_order(methods),
            failed={},
            unfit={},
            cautions=(),
        )

    return make


def rows(sheet):
    return {
        row[0].text.strip(): dict(zip(sheet.columns, (each.text for each in row), strict=True)) for row in sheet.rows
    }


def test_each_method_is_compared_with_float_and_with_its_plain_recipe(league):
    found = rows(league_sheet(league()))
    assert list(found) == ["fp32.tflite", "plain.tflite", "good.tflite", "bad.tflite"]
    assert found["good.tflite"]["verdict"] == "better"
    assert found["good.tflite"]["vs plain"].startswith("+2.00 pp [")
    assert found["good.tflite"]["vs float"].startswith("+0.00 pp [")
    assert found["good.tflite"]["gained dB"] == "+15.0"
    assert found["bad.tflite"]["verdict"] == "worse"
    assert found["plain.tflite"]["verdict"] == "-"
    assert "time" not in league_sheet(league()).columns


def test_several_outputs_have_a_table_of_their_own(league):
    assert outputs_sheet(league()) is None
    assert rows(outputs_sheet(league(("boxes", 20.0))))["good.tflite"]["boxes"] == "20.0"


def change(lower, upper):
    return PairedChange(change=(lower + upper) / 2, lower=lower, upper=upper, p_value=0.5, samples=SAMPLES)


def test_a_verdict_follows_from_the_interval():
    assert verdict(change(-0.0005, 0.0005), TOP1) == "same"
    assert verdict(change(-0.005, 0.005), TOP1) == "undecided"
    error = MetricDefinition(name="mae", label="MAE", unit="K", direction=SMALLER)
    assert verdict(change(-3, -1), error) == "better"
    assert verdict(change(1, 3), error) == "worse"


def test_a_file_that_is_quantized_already_is_named(make_artifact, monkeypatch):
    given = make_artifact(role="quantized")
    project = SimpleNamespace(source=None, given=(given,))
    monkeypatch.setattr(methods, "open_source", lambda subject, *_: (subject, SimpleNamespace(project=project)))
    with pytest.raises(HarnessError, match=f"{given.path.name} is quantized already: give the float model"):
        methods.run_methods(Methods(subject=Subject(models=(given.path,))), Silent())
