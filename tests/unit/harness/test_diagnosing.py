"""The command that a failed recipe is followed by."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crossrt.core.artifact import sha256_of
from crossrt.datasets.request import DataRequest
from crossrt.exporters.recipes.recipe import OnnxStatic
from crossrt.harness.build.diagnosing import diagnose_command, diagnose_commands
from crossrt.harness.measure.settings import Subject
from crossrt.reports.schema.files import read_report
from crossrt.reports.tables.summary import Summary

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"


def test_the_command_names_model_data_and_recipes():
    subject = Subject(
        models=(Path("my model.onnx"),),
        data=DataRequest(reference="test.npz", labels="labels.npy"),
        calibration=DataRequest(reference="train.npz"),
        dimensions={"seq": 8},
    )
    assert diagnose_command("mine.onnx", subject, Path("mine.toml")) == (
        "crossrt diagnose mine.onnx --model 'my model.onnx' --file mine.toml --data test.npz --calibration train.npz"
        " --labels labels.npy --dim seq=8"
    )


def test_the_command_loads_a_legacy_file_where_that_was_allowed():
    command = diagnose_command("w4.onnx", Subject(models=(Path("net.h5"),), allow_h5=True))
    assert command == "crossrt diagnose w4.onnx --model net.h5 --allow-h5"


@pytest.fixture
def report():
    """A report in which one variant of a recipe answered too differently, at two batch sizes."""
    found = read_report(REPORT)
    recipe = msgspec.to_builtins(OnnxStatic())
    (bad,) = [each for each in found.artifacts if each.variant == "int8-qdq"]
    artifacts = tuple(
        msgspec.structs.replace(each, quantization=msgspec.structs.replace(each.quantization, recipe=recipe))
        if each is bad
        else each
        for each in found.artifacts
    )
    results = tuple(
        msgspec.structs.replace(each, status="failed", reason="answers 54%", rounds=())
        if each.artifact == bad.id
        else each
        for each in found.results
    )
    return msgspec.structs.replace(found, artifacts=artifacts, results=results)


def test_each_variant_that_answers_too_differently_is_named_once(report):
    (command,) = diagnose_commands(report, Subject())
    assert command.startswith("crossrt diagnose int8-qdq.onnx")


def test_a_file_that_was_named_is_compared_with_the_float_file_that_was_named(report, tmp_path):
    files = {}
    for role, name in (("float", "net.onnx"), ("quantized", "net-int8.onnx")):
        (tmp_path / name).write_text(role)
        files[role] = (tmp_path / name, sha256_of(tmp_path / name))
    of_role = {
        each.variant: each.role for each in report.artifacts if each.id.endswith((".fp32.onnx", ".int8-qdq.onnx"))
    }
    artifacts = tuple(
        msgspec.structs.replace(each, sha256=files[of_role[each.variant]][1])
        if each.variant in of_role and each.format == "onnx"
        else each
        for each in report.artifacts
    )
    report = msgspec.structs.replace(report, artifacts=artifacts)
    (float_file, _), (quantized, _) = files["float"], files["quantized"]
    found = diagnose_commands(report, Subject(models=(float_file, quantized)))
    assert found == [f"crossrt diagnose {quantized} --float {float_file}"]
    assert diagnose_commands(report, Subject(models=(quantized,))) == []


def test_a_variant_that_never_answered_is_not_named(report):
    results = tuple(msgspec.structs.replace(each, evaluation=None) for each in report.results)
    assert diagnose_commands(msgspec.structs.replace(report, results=results), Subject()) == []


def test_what_was_left_out_is_in_the_report_and_among_its_notes(report, tmp_path):
    changed = msgspec.structs.replace(read_report(REPORT), left_out=("net.w4.onnx: it holds no matrix product",))
    changed.save(tmp_path / "report.json")
    again = read_report(tmp_path / "report.json")
    assert again.left_out == ("net.w4.onnx: it holds no matrix product",)
    assert "left out: net.w4.onnx: it holds no matrix product" in Summary(again).notes(None)
