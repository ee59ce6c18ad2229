"""The league table of methods, from evaluations that are made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from crossrt.core.artifact import Quantization
from crossrt.core.evaluation import Evaluation, OutputError, Packed
from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.datasets.request import DataRequest
from crossrt.datasets.tasks.classification import TOP1
from crossrt.harness.analyze import methods
from crossrt.harness.analyze.methods import League, Method, Methods, _in_order
from crossrt.harness.analyze.methods_choice import choice_lines
from crossrt.harness.analyze.methods_tables import league_sheet, outputs_sheet, verdict
from crossrt.harness.build import export
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject
from crossrt.reports.statistics.paired import PairedChange
from crossrt.reports.tables.terminal import fitted
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


def test_narrow_tables_keep_the_verdict_and_fp8_has_no_time(league, make_artifact):
    found = league()
    fp8 = make_artifact(
        quantization=Quantization(
            scheme="weight-only",
            representation="qdq",
            activation_type=None,
            weight_type="float8e4m3fn",
            granularity="per-channel",
        )
    )
    extra = Method(item="fp8.tflite", plain="plain.tflite", artifact=fp8, evaluation=evaluation(200, 20.0))
    sheet = league_sheet(replace(found, methods=[*found.methods, extra]))
    assert any(line.startswith("fp8.tflite: for accuracy alone") for line in sheet.footer)
    for width in (40, 60, 80):
        assert "verdict" in fitted(sheet, width)[0].columns
    for width in (60, 80):
        assert {"top-1 %", "SQNR dB"} <= set(fitted(sheet, width)[0].columns)


def test_the_p_value_and_the_size_make_room_first(league):
    sheet = league_sheet(league())
    dropped = [fitted(sheet, width)[1] for width in range(200, 39, -1)]
    order = list(dict.fromkeys(name for names in dropped for name in sorted(names, key=sheet.dropped_first.index)))
    assert order[:5] == ["p", "KB", "vs float", "gained dB", "vs plain"]


def test_recipes_without_a_file_are_rows_that_say_why(league):
    built = {"good.tflite": "plain.tflite", "bad.tflite": "plain.tflite", "plain.tflite": "plain.tflite"}
    plains = {**built, "idle.tflite": "plain.tflite", "own.tflite": "own.tflite", "over.tflite": "own.tflite"}
    failed = {"own.tflite": "it broke", "over.tflite": "it broke"}
    found = rows(league_sheet(replace(league(), plains=plains, unfit={"idle.tflite": "no bias"}, failed=failed)))
    assert list(found) == [
        "fp32.tflite",
        "plain.tflite",
        "good.tflite",
        "bad.tflite",
        "idle.tflite",
        "own.tflite",
        "over.tflite",
    ]
    assert found["idle.tflite"]["verdict"] == "not applicable"
    assert found["own.tflite"]["verdict"] == found["over.tflite"]["verdict"] == "failed"


def test_a_method_that_cannot_be_timed_keeps_its_row_and_says_why(league, monkeypatch):
    found = league()
    reasons = iter([HarnessError("its runtime refuses the file"), OSError(28, "No space left on device")])
    monkeypatch.setattr(methods, "run_duel", lambda *_: (_ for _ in ()).throw(next(reasons)))
    timed = methods._timed(found, Methods(subject=Subject(), time_s=1.0), Silent())
    assert timed.untimed == {
        "good.tflite": "its runtime refuses the file",
        "bad.tflite": "no space left on the disk",
    }
    assert rows(league_sheet(timed)) == rows(league_sheet(found))
    assert not timed.is_interrupted


def quantized(item, activations, weights, wrong, decibels, make_artifact):
    how = Quantization(
        scheme="static",
        representation="qdq",
        activation_type=activations,
        weight_type=weights,
        granularity="per-channel",
    )
    artifact = replace(make_artifact(quantization=how), format="tflite")
    return Method(item=item, plain="plain.tflite", artifact=artifact, evaluation=evaluation(wrong, decibels))


def test_the_best_file_is_named_with_its_command(league, make_artifact):
    files = [
        quantized("plain.tflite", "uint8", "int8", 100, 30.0, make_artifact),
        quantized("good.tflite", "uint8", "int8", 100, 34.0, make_artifact),
        quantized("wrong.tflite", "uint8", "int8", 900, 50.0, make_artifact),
        quantized("wide.tflite", "uint16", "int8", 100, 40.0, make_artifact),
    ]
    subject = Subject(models=(Path("my net.onnx"),), data=DataRequest(reference="test.npz"))
    lines = list(choice_lines(replace(league(), methods=files), subject, None))
    assert lines[0].startswith("closest to float with uint16 activations and int8 weights: wide.tflite, 40.0 dB")
    assert lines[1].startswith("closest to float with uint8 activations and int8 weights: good.tflite, 34.0 dB")
    assert "34.0 dB SQNR (+4.0 over plain.tflite); top-1 +0.00 pp" in lines[2]
    assert lines[2].startswith(
        "best: no method is shown to beat plain plain.tflite in top-1; by SQNR alone good.tflite, closest to float"
    )
    assert lines[3] == "make it: crossrt quantize 'my net.onnx' --recipe good.tflite --data test.npz"


def test_a_method_that_is_better_than_plain_is_best_without_reservation(league, make_artifact):
    files = [
        quantized("plain.tflite", "uint8", "int8", 300, 30.0, make_artifact),
        quantized("good.tflite", "uint8", "int8", 100, 34.0, make_artifact),
    ]
    lines = list(choice_lines(replace(league(), methods=files), Subject(), None))
    assert lines[0].startswith("best: good.tflite, closest to float")
    alone = list(choice_lines(replace(league(), methods=files[:1]), Subject(), None))
    assert alone[0].startswith("best: plain.tflite, closest to float")


def test_without_a_file_nothing_is_best(league):
    assert not list(choice_lines(replace(league(), methods=[]), Subject(), None))


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


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_what_was_evaluated_before_an_interrupt_is_kept(monkeypatch, make_artifact, finished):
    files = {
        name: make_artifact(role=role) for name, role in (("fp32", "float"), ("a", "quantized"), ("b", "quantized"))
    }
    cases = [SimpleNamespace(id=f"{name}-case", artifact_id=name) for name in files]
    state = SimpleNamespace(
        cases=cases, artifacts=files, assessments={}, judge=None, cautions=[], warnings=[], settings=None
    )

    def interrupted(*_, **__):
        ok = SimpleNamespace(status="ok", evaluation=evaluation(1, 30.0))
        state.assessments |= {case.id: ok for case in cases[: finished + 1]}
        raise KeyboardInterrupt

    found = Artifacts(artifacts=dict(files))
    for name, value in {
        "_check_runtimes": None,
        "build_request": None,
        "get_artifacts": found,
        "_state": state,
    }.items():
        monkeypatch.setattr(export, name, lambda *_, value=value, **__: value)
    monkeypatch.setattr(export, "check_answers", interrupted)
    monkeypatch.setattr(export, "difference_cautions", lambda _: {})
    opened = SimpleNamespace(project=SimpleNamespace(source=object(), given=()), folder=None, cautions=())
    if not finished:
        with pytest.raises(KeyboardInterrupt):
            export.run_export(opened, None, [], 0.0, Silent(), keeps=True)
        return
    kept = export.run_export(opened, None, [], 0.0, Silent(), keeps=True)
    assert list(kept.evaluations) == list(files)[: finished + 1]
    assert list(kept.found.artifacts) == list(kept.evaluations)
    assert kept.is_interrupted
