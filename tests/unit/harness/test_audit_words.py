"""What an audit says first, and of paths that hold no file."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from crossrt.analysis.audit.record import AuditedTensor, Check
from crossrt.exporters.errors import ModelError
from crossrt.harness.analyze.audit import Audit, audit_headline, audit_notes, check_sheet, inference_note
from crossrt.harness.build.model_files import is_model_file


def audit_of(severity, verdict, kind="ONNX, static"):
    tensor = AuditedTensor(
        name="x",
        role="activation",
        dtype="uint8",
        channels=1,
        scale=0.5,
        zero_point=0,
        expected_scale=0.25,
        expected_zero_point=0,
        deviation=1.0,
        wrong_integers=None,
        verdict=verdict,
    )
    checks = [Check(name="scales", severity=severity, text="")]
    artifact = SimpleNamespace(model="net")
    return Audit(name="net.onnx", artifact=artifact, tensors=[tensor], checks=checks, kind=kind)


@pytest.mark.parametrize(
    ("severity", "verdict", "begins"),
    [
        ("ok", "different", "1 of 1 quantized tensors are not what the recipe makes of them"),
        ("wrong", "different", "wrong: scales; 1 of 1"),
        ("ok", "exact", "nothing in it is wrong by itself; all 1"),
    ],
)
def test_an_audit_first_says_what_is_wrong(severity, verdict, begins):
    assert audit_headline(audit_of(severity, verdict)).startswith(f"net.onnx: {begins}")


def test_a_recipe_that_was_read_from_the_file_is_called_assumed():
    audit = replace(audit_of("ok", "different"), inferred="onnx-static")
    assert "1 of 1 quantized tensors are not what the assumed recipe makes of them" in audit_headline(audit)
    assert "need not be wrong" in inference_note(audit)
    assert "need not be wrong" not in inference_note(replace(audit_of("ok", "exact"), inferred="onnx-static"))


def test_a_manifest_that_was_not_used_is_a_note():
    audit = replace(audit_of("ok", "stored"), unused_manifest="the manifest beside it was not used: damaged")
    assert list(audit_notes(audit)) == ["ONNX, static", "the manifest beside it was not used: damaged"]


def test_of_a_file_with_a_recipe_checks_are_shown_where_they_find_something():
    sound, wrong = audit_of("ok", "exact", kind=None), audit_of("wrong", "exact", kind=None)
    said = audit_headline(sound)
    assert said.startswith("net.onnx: all 1 quantized tensors are what the recipe makes of them, to the last bit")
    assert said.endswith("no check finds anything else")
    assert not check_sheet(sound).rows
    assert audit_headline(wrong).startswith("net.onnx: wrong: scales; all 1")
    assert len(check_sheet(wrong).rows) == 1


def test_a_pipe_a_device_and_a_link_to_nothing_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "link.onnx").symlink_to(tmp_path / "nowhere.onnx")
    for path, what in ((tmp_path / "pipe.onnx", "is not a regular file"), ("/dev/null", "is not a regular file")):
        with pytest.raises(ModelError, match=what):
            is_model_file(str(path))
    with pytest.raises(ModelError, match="a link that leads to no file"):
        is_model_file(str(tmp_path / "link.onnx"))
    with pytest.raises(ModelError, match="not a model file"):
        is_model_file(str(tmp_path))
    assert not is_model_file("int8-qdq")
