"""Manifests: written, read back, and refused where they or their files are not what they should be."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

from crossrt.core.artifact import ModelArtifact, ReferenceAnswers
from crossrt.core.errors import ArtifactError
from crossrt.core.manifest import check_file, read_manifest, write_manifest


@pytest.fixture
def manifest(make_artifact, tmp_path):
    """The manifest of an artifact beside it."""
    write_manifest(make_artifact(), tmp_path / "artifact.json")
    return tmp_path / "artifact.json"


def altered(manifest, **fields):
    manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), **fields}))
    return manifest


def refusal(path) -> str:
    with pytest.raises(ArtifactError) as caught:
        check_file(read_manifest(path, ModelArtifact))
    return str(caught.value)


@pytest.mark.parametrize("fields", [{}, {"quantization": None}], ids=["quantized", "float"])
def test_artifact_reads_back_the_same(make_artifact, tmp_path, fields):
    artifact = make_artifact(**fields)
    write_manifest(artifact, tmp_path / "artifact.json")
    assert read_manifest(tmp_path / "artifact.json", ModelArtifact) == artifact


def test_reference_reads_back_the_same(make_reference, tmp_path):
    reference = make_reference(tmp_path)
    write_manifest(reference, tmp_path / "reference.json")
    assert read_manifest(tmp_path / "reference.json", ReferenceAnswers) == reference


def test_manifest_holds_the_name_of_the_file_not_its_folder(manifest, tmp_path):
    assert json.loads(manifest.read_bytes())["path"] == "net.int8.tflite"
    assert str(tmp_path) not in manifest.read_text()


def test_manifest_travels_with_its_file(manifest, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path, moved)
    artifact = read_manifest(moved / "artifact.json", ModelArtifact)
    check_file(artifact)
    assert artifact.path.parent == moved


def test_a_file_that_fits_its_manifest_is_accepted(manifest):
    assert check_file(read_manifest(manifest, ModelArtifact)) is None


def test_a_missing_manifest_is_named(tmp_path):
    message = refusal(tmp_path / "artifact.json")
    assert str(tmp_path / "artifact.json") in message
    assert "crossrt export" in message


@pytest.mark.parametrize("content", [b"", b"model", b"\xff\xfe", b"[]", b'{"model": "net"}', b'{"model": NaN}'])
def test_what_is_not_a_manifest_is_named(tmp_path, content):
    (tmp_path / "artifact.json").write_bytes(content)
    assert str(tmp_path / "artifact.json") in refusal(tmp_path / "artifact.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", 5),
        ("size_bytes", "large"),
        ("format", "pb"),
        ("inputs", None),
        ("outputs", [{"name": "logits"}]),
        ("quantization", {"scheme": "magic"}),
        ("producer", []),
        ("path", None),
    ],
)
def test_a_wrong_type_is_refused_with_its_place(manifest, field, value):
    assert f"$.{field}" in refusal(altered(manifest, **{field: value}))


@pytest.mark.parametrize(
    "name", ["../net.int8.tflite", "/etc/hostname", "folder/net.int8.tflite", "./net", "net/", "."]
)
def test_a_path_that_leaves_the_folder_is_refused(manifest, name):
    assert "not the name of a file beside the manifest" in refusal(altered(manifest, path=name))


@pytest.mark.parametrize("name", ["..", ""])
def test_a_path_that_is_not_a_file_is_refused(manifest, name):
    assert str(manifest.parent) in refusal(altered(manifest, path=name))


@pytest.mark.parametrize("name", ["..", ""])
def test_a_path_that_names_a_folder_is_refused_on_reading(manifest, name):
    with pytest.raises(ArtifactError, match="not the name of a file"):
        read_manifest(altered(manifest, path=name), ModelArtifact)


def test_a_path_with_a_zero_byte_is_refused(manifest):
    assert manifest.name in refusal(altered(manifest, path="net\0.tflite"))


def test_a_manifest_nested_too_deeply_is_refused(tmp_path):
    (tmp_path / "artifact.json").write_text('{"x": ' + "[" * 100_000 + "]" * 100_000 + "}")
    assert "artifact.json" in refusal(tmp_path / "artifact.json")


def test_an_oversized_manifest_is_refused(tmp_path):
    (tmp_path / "artifact.json").write_bytes(b" " * (2**24 + 1))
    assert "larger than any manifest" in refusal(tmp_path / "artifact.json")


def test_a_missing_file_is_named(manifest, tmp_path):
    (tmp_path / "net.int8.tflite").unlink()
    assert "net.int8.tflite is missing or not a regular file" in refusal(manifest)


@pytest.mark.parametrize("content", [b"modeI", b"", b"model and more"])
def test_an_altered_file_is_named(manifest, tmp_path, content):
    (tmp_path / "net.int8.tflite").write_bytes(content)
    message = refusal(manifest)
    assert f"net.int8.tflite ({len(content)} bytes)" in message
    assert "damaged or replaced" in message


@pytest.fixture
def with_data_file(make_artifact, tmp_path):
    """The manifest of an artifact whose weights lie in a file beside it."""
    from crossrt.core.artifact import sha256_of

    (tmp_path / "weights.bin").write_bytes(b"weights")
    artifact = make_artifact(data_files=("weights.bin",))
    sha256 = sha256_of(artifact.path, tmp_path / "weights.bin")
    write_manifest(dataclasses.replace(artifact, sha256=sha256), tmp_path / "artifact.json")
    return tmp_path / "artifact.json"


def test_data_files_are_checked_too(with_data_file, tmp_path):
    assert check_file(read_manifest(with_data_file, ModelArtifact)) is None
    (tmp_path / "weights.bin").write_bytes(b"weightz")
    assert "damaged or replaced" in refusal(with_data_file)
    (tmp_path / "weights.bin").unlink()
    assert "weights.bin is missing" in refusal(with_data_file)


@pytest.mark.parametrize("name", ["../weights.bin", "/etc/hostname", "", "a/../../b", "a\\b"])
def test_data_files_outside_the_folder_are_refused(with_data_file, name):
    assert "not below its folder" in refusal(altered(with_data_file, data_files=[name]))


def test_a_batch_axis_of_an_unknown_input_is_refused(manifest):
    assert "batch axis" in refusal(altered(manifest, batching={"dimension": "batch", "size": None, "axes": {"x": 0}}))


def test_answers_to_no_samples_are_refused(make_reference, tmp_path):
    write_manifest(dataclasses.replace(make_reference(tmp_path), samples=0), tmp_path / "reference.json")
    with pytest.raises(ArtifactError, match="answers to 0 samples"):
        read_manifest(tmp_path / "reference.json", ReferenceAnswers)
