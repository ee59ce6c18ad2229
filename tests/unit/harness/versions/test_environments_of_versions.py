"""Environments of versions: made once, whole or not at all, and made again where they are damaged."""

from __future__ import annotations

import fcntl
import threading
from importlib.metadata import version

import pytest

from crossrt.runtimes.errors import EnvironmentFailedError, VersionRefusedError
from crossrt.runtimes.versions import installer

pytestmark = pytest.mark.processes


def test_an_environment_is_made_once_with_the_numpy_of_this_one(index, environments):
    index.add("1.0.0")
    found, said = environments
    first = found.open("ort-cpu", "1.0")
    assert (first.manifest.version, first.manifest.packages["numpy"]) == ("1.0.0", version("numpy"))
    assert any("making an environment with ort-cpu 1.0, once" in each for each in said)
    assert found.open("ort-cpu", "1.0.0") == first
    assert len(index.installs) == 1


def test_each_process_that_installs_is_logged(index, environments, caplog):
    index.add("1.0.0")
    with caplog.at_level("DEBUG", "crossrt.processes"):
        environments[0].open("ort-cpu", "1.0.0")
    said = [each.getMessage() for each in caplog.records]
    assert any(" -m venv " in each for each in said)
    assert any(" install " in each and "onnxruntime==1.0.0" in each for each in said)  # by uv or pip
    began = [each for each in said if " runs " in each]
    assert len(began) == len([each for each in said if " has ended, exit status 0" in each]) > 2


def test_a_version_that_does_not_run_with_numpy_2_gets_an_older_one(index, environments):
    index.add(
        "1.0.0",
        body="import importlib.metadata as found\n"
        "if found.version('numpy') >= '2': raise ImportError('compiled using NumPy 1.x')",
    )
    found, said = environments
    assert found.open("ort-cpu", "1.0.0").manifest.packages["numpy"] == "1.26.4"
    assert f"  onnxruntime 1.0.0 needs another numpy than {version('numpy')}: 1.26.4 there" in said


def test_a_version_that_is_not_published_is_refused_with_those_beside_it(index, environments):
    index.add("1.0.0")
    index.add("3.0.0")
    with pytest.raises(VersionRefusedError, match=r"onnxruntime 2\.0 cannot be installed .* 1\.0\.0 and 3\.0\.0"):
        environments[0].open("ort-cpu", "2.0")
    assert not any(each.is_dir() for each in environments[0].root.iterdir())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("error: Request failed\n  cause: dns error: failed to lookup", r"the package index cannot be reached \(dns"),
        ("ERROR: Could not install: [Errno 28] No space left on device", r"the disk is full .*crossrt cache prune"),
        ("error: something else", r"cannot be installed by uv: something else"),
    ],
)
def test_a_failing_installer_is_one_message_and_leaves_nothing(index, environments, said, told):
    index.fail(said)
    with pytest.raises(EnvironmentFailedError, match=told):
        environments[0].open("ort-cpu", "1.0.0")
    assert not any(each.is_dir() for each in environments[0].root.iterdir())


@pytest.mark.parametrize("harm", ["file", "python"])
def test_a_damaged_environment_is_made_again(index, environments, harm):
    index.add("1.0.0")
    found, said = environments
    folder = found.open("ort-cpu", "1.0.0").folder
    damaged = {
        "file": next(folder.rglob("onnxruntime/__init__.py")),
        "python": folder / "bin" / "python",
    }[harm]
    damaged.unlink()
    assert next(found.open("ort-cpu", "1.0.0").folder.rglob("onnxruntime/__init__.py")).exists()
    assert "  the environment of ort-cpu 1.0.0 is damaged: it is made again" in said
    assert [each.name for each in found.root.iterdir() if not each.name.startswith(".")] == [folder.name]


def test_two_runs_that_need_one_make_it_one_after_the_other(index, environments):
    index.add("1.0.0")
    found, said = environments
    found.root.mkdir(parents=True)
    with (found.root / ".making.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=found.open, args=("ort-cpu", "1.0.0"))
        other.start()
        while not said:
            other.join(0.01)
        assert said == ["  waiting: another crossrt run is making an environment"]
        assert index.installs == []
    other.join()
    assert len(index.installs) == 1


def test_versions_of_plug_ins_are_refused(environments):
    with pytest.raises(VersionRefusedError, match="a version of 'chaos' cannot be asked for: that is possible for ort"):
        environments[0].open("chaos", "1.0")


def test_without_any_installer_both_are_named(environments, monkeypatch):
    monkeypatch.setattr(installer.shutil, "which", lambda _: None)
    monkeypatch.setattr(installer.Path, "is_file", lambda _: False)
    monkeypatch.setattr(installer.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(installer, "_works", lambda *_: False)
    with pytest.raises(EnvironmentFailedError, match=r"neither uv nor pip is found .*install uv, or pip"):
        environments[0].open("ort-cpu", "1.0.0")
