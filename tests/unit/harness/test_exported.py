import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import as_described, read_folder, unused_manifest, write_folder
from crossrt.harness.errors import HarnessError

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def full_disk(monkeypatch):
    """A disk with room for one file."""
    copy, copied = shutil.copyfile, []

    def fill(source, target):
        if copied:
            raise OSError(28, "No space left on device")
        copied.append(target)
        return copy(source, target)

    monkeypatch.setattr("shutil.copyfile", fill)


@pytest.fixture
def found():
    read = [read_manifest(path, ModelArtifact) for path in (DATA / "models").glob("*/artifact.json")]
    return Artifacts(artifacts={artifact.id: artifact for artifact in read})


@pytest.mark.usefixtures("full_disk")
def test_a_new_folder_that_cannot_be_written_whole_is_removed(found, tmp_path):
    with pytest.raises(HarnessError, match="No space left on device; choose another --out"):
        write_folder(found, tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


@pytest.mark.usefixtures("full_disk")
def test_a_folder_that_was_there_keeps_what_it_held(found, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(HarnessError, match="No space left on device"):
        write_folder(found, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_set_that_does_not_fit_leaves_the_earlier_set_whole_and_nothing_else(found, tmp_path, monkeypatch):
    first, second = list(found.artifacts)[:2]
    write_folder(Artifacts(artifacts={first: found.artifacts[first]}), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    copy = shutil.copyfile

    def fill(source, target):
        if Path(target).name == second:
            raise OSError(28, "No space left on device")
        return copy(source, target)

    monkeypatch.setattr("shutil.copyfile", fill)
    with pytest.raises(HarnessError, match="No space left on device"):
        write_folder(found, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_that_cannot_be_moved_to_its_place_takes_the_new_ones_with_it(found, tmp_path):
    (tmp_path / list(found.artifacts)[1]).mkdir()
    with pytest.raises(HarnessError, match="cannot be written"):
        write_folder(found, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [list(found.artifacts)[1]]


def test_two_files_of_one_name_are_refused_and_both_are_named(found, tmp_path):
    written = write_folder(Artifacts(artifacts=dict([next(iter(found.artifacts.items()))])), tmp_path)[0]
    manifest = tmp_path / f"{written.name}.manifest.json"
    shutil.copyfile(written, tmp_path / "copy.onnx")
    text = manifest.read_text().replace(f'"path": "{written.name}"', '"path": "copy.onnx"')
    (tmp_path / "copy.onnx.manifest.json").write_text(text)
    with pytest.raises(HarnessError) as error:
        read_folder(tmp_path)
    assert "copy.onnx" in str(error.value)
    assert f"are both {written.name}" in str(error.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text, _: text[: len(text) // 2], "is not a manifest"),
        (lambda text, sha256: text.replace(sha256, "0" * 64), "has the SHA-256 of another file"),
        (lambda text, _: text, None),
    ],
)
def test_a_manifest_that_is_damaged_or_of_another_file_is_not_used_and_that_is_said(found, tmp_path, change, why):
    written = write_folder(found, tmp_path)[0]
    artifact = found.artifacts[written.name]
    manifest = tmp_path / f"{written.name}.manifest.json"
    manifest.write_text(change(manifest.read_text(), artifact.sha256))
    said = unused_manifest(written, artifact.sha256)
    assert said is None if why is None else why in said
    nameless = replace(artifact, path=written, model="file", quantization=None)
    assert as_described(nameless).model == (artifact.model if why is None else "file")


def test_without_a_manifest_none_is_said_to_be_unused(tmp_path):
    assert unused_manifest(tmp_path / "net.onnx", "0" * 64) is None
