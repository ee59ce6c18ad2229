"""The folder of a run, and what runs leave behind that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from crossrt.core.scratch import LOCK, owned_folder
from crossrt.harness.errors import HarnessError
from crossrt.harness.process.scratch import current_scratch, scratch_folder, temporary_variables


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The system's folder for temporary files."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_the_next_run_removes_what_killed_runs_left_in_all_places(own_cache, temporary):
    places = (
        temporary / "crossrt-run-dead",
        own_cache / "artifacts" / ".staging-dead",
        own_cache / "inspections" / ".staging-dead",
        own_cache / "sources" / "plug-in-1234" / ".staging-dead",
    )
    for place in places:
        (place / "half").mkdir(parents=True)
        (place / LOCK).touch()
    with owned_folder(own_cache / "artifacts", ".staging-") as used, scratch_folder():
        assert used.exists()
    assert [place for place in places if place.exists()] == []


def test_children_use_the_folder_of_the_innermost_run(temporary):
    with scratch_folder() as outer:
        assert temporary_variables() == {"TMPDIR": str(outer)}
        with scratch_folder() as inner:
            assert current_scratch() == inner
        assert current_scratch() == outer
    assert temporary_variables() == {}
    assert list(temporary.iterdir()) == []


def test_no_room_for_temporary_files_is_one_clear_error(temporary):
    temporary.rmdir()
    with pytest.raises(HarnessError, match=r"no folder for temporary files .*: set TMPDIR"), scratch_folder():
        pass


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_what_is_left_of_a_run_in_another_session_ends_with_it(temporary):
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with scratch_folder():
        own = {**os.environ, **temporary_variables()}
        left = subprocess.Popen(["sh", "-c", "sleep 600 & wait"], env=own, start_new_session=True)
    assert left.wait(300) == -signal.SIGKILL
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
