"""Folders of processes that are gone are removed; those of processes that live never are."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from crossrt.core import scratch
from crossrt.core.scratch import LOCK, owned_folder, remove_abandoned

PREFIX = "crossrt-run-"
OWNER = """
import sys, time
from pathlib import Path
from crossrt.core.scratch import owned_folder
with owned_folder(Path(sys.argv[1]), "crossrt-run-") as folder:
    (folder / "nested").mkdir()
    (folder / "nested" / "model.onnx").write_text("32 MB")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def owner(tmp_path):
    """Starts another process that owns a folder; gives both."""
    started = []

    def start():
        process = subprocess.Popen([sys.executable, "-c", OWNER, tmp_path], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, tmp_path / process.stdout.readline().strip().rpartition("/")[2]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_folder_lasts_as_long_as_its_block(tmp_path):
    with owned_folder(tmp_path, PREFIX) as folder:
        (folder / "file").touch()
        (folder / "nested").mkdir()
        assert folder.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(owner, tmp_path):
    process, left = owner()
    assert (left / "nested" / "model.onnx").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert left.exists()
    with owned_folder(tmp_path, PREFIX):
        assert not left.exists()


def test_what_a_living_process_uses_is_left_alone_however_old_it_is(owner, tmp_path):
    _, used = owner()
    long_ago = time.time() - 365 * 86_400
    for path in (used, used / LOCK, used / "nested", used / "nested" / "model.onnx"):
        os.utime(path, (long_ago, long_ago))
    with owned_folder(tmp_path, PREFIX):
        assert (used / "nested" / "model.onnx").exists()


def test_a_process_does_not_take_its_own_folder_for_abandoned(tmp_path):
    with owned_folder(tmp_path, PREFIX) as one, owned_folder(tmp_path, PREFIX) as other:
        assert one.exists()
        assert other.exists()


def test_folders_that_are_not_ours_stay(tmp_path):
    (tmp_path / "crossrt-run-theirs").mkdir()
    (tmp_path / "crossrt-run-theirs" / "thesis.tex").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / LOCK).touch()
    (tmp_path / "crossrt-run-link").symlink_to(tmp_path / "target")
    remove_abandoned(tmp_path, PREFIX)
    assert {each.name for each in tmp_path.iterdir()} == {"crossrt-run-theirs", "other", "target", "crossrt-run-link"}
    assert (tmp_path / "target" / LOCK).exists()


def test_a_process_killed_before_it_locked_leaves_an_empty_folder_that_is_removed(tmp_path):
    (tmp_path / "crossrt-run-empty").mkdir()
    remove_abandoned(tmp_path, PREFIX)
    assert list(tmp_path.iterdir()) == []


def test_a_removal_that_was_cut_short_is_finished_by_the_next(tmp_path):
    left = tmp_path / "crossrt-run-half"
    left.mkdir()
    (left / LOCK).touch()  # goes last: all else may be gone already
    remove_abandoned(tmp_path, PREFIX)
    assert list(tmp_path.iterdir()) == []


def test_whoever_loses_a_new_folder_to_another_process_makes_a_new_one(tmp_path, monkeypatch):
    mkdtemp, made = scratch.tempfile.mkdtemp, []

    def taken_at_once(**options):
        made.append(mkdtemp(**options))
        if len(made) == 1:
            remove_abandoned(tmp_path, PREFIX)
        return made[-1]

    monkeypatch.setattr(scratch.tempfile, "mkdtemp", taken_at_once)
    with owned_folder(tmp_path, PREFIX) as folder:
        assert str(folder) == made[1]
        assert folder.is_dir()


def test_a_file_system_without_locks_still_gives_folders(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with owned_folder(tmp_path, PREFIX) as one, owned_folder(tmp_path, PREFIX) as other:
        assert one.exists()
        assert other.exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), owned_folder(tmp_path / "absent", PREFIX):
        pass
