import shutil
from pathlib import Path

import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import write_folder
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
