"""Artifacts as records: their ids, and the way through JSON and back."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from crossrt.core.artifact import artifact_from_fields, serving_signature, sha256_of


def test_id_names_model_variant_and_format(make_artifact):
    assert make_artifact().id == "net.int8.tflite"


def test_reference_has_an_id_of_its_own(make_reference, tmp_path):
    assert make_reference(tmp_path).id == "net.reference"


@pytest.mark.parametrize("fields", [{}, {"quantization": None}], ids=["quantized", "float"])
def test_artifact_survives_json(make_artifact, fields):
    artifact = make_artifact(**fields)
    sent = json.dumps(dataclasses.asdict(artifact), default=str)
    assert artifact_from_fields(json.loads(sent)) == artifact


def test_artifact_survives_asdict(make_artifact):
    artifact = make_artifact()
    assert artifact_from_fields(dataclasses.asdict(artifact)) == artifact


def test_artifacts_cannot_be_changed(make_artifact):
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_artifact().sha256 = "another"


def test_hash_is_the_sha256_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["first", "serving_default"], "serving_default"),
        (["__saved_model_init_op", "second", "third"], "second"),
        (["__saved_model_init_op"], None),
        ([], None),
    ],
)
def test_of_the_signatures_of_a_saved_model_the_default_one_is_run_or_else_the_first(names, chosen):
    assert serving_signature(names) == chosen
