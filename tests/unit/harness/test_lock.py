from __future__ import annotations

import fcntl
import os
import re
import threading

import pytest

from crossrt.harness.errors import HarnessError
from crossrt.harness.process.lock import measuring_alone
from crossrt.reports.text.progress import Silent


class Remarks(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.remarked = threading.Event()

    def remark(self, text: str) -> None:
        self.texts.append(text)
        self.remarked.set()


def test_second_run_waits_says_so_and_goes_on_after_the_first(tmp_path):
    lock, remarks, entered = tmp_path / "cache" / "lock", Remarks(), threading.Event()

    def second() -> None:
        with measuring_alone(lock, remarks):
            entered.set()

    with measuring_alone(lock, Silent()):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert remarks.remarked.wait(10)
        assert not entered.is_set()
    waiting.join(10)
    assert entered.is_set()
    assert "another crossrt run" in remarks.texts[0]


def test_lock_of_a_run_that_is_gone_does_not_hold(tmp_path):
    (tmp_path / "lock").write_text("99999999")
    remarks = Remarks()
    with measuring_alone(tmp_path / "lock", remarks):
        assert remarks.texts == []


@pytest.mark.parametrize("place", ["file/cache", "/proc/nothing/cache"])
def test_a_cache_that_cannot_be_written_is_said_and_does_not_stop_measuring(tmp_path, place):
    (tmp_path / "file").write_text("")
    remarks = Remarks()
    with measuring_alone(tmp_path / place / "lock", remarks):
        pass
    assert "cannot be written" in remarks.texts[0]
    assert "CROSSRT_CACHE_DIR=FOLDER" in remarks.texts[0]


def test_a_link_in_place_of_the_lock_is_refused_and_its_target_stays_as_it_is(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(HarnessError, match="is a link"), measuring_alone(tmp_path / "lock", Silent()):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_file_with_another_name_is_locked_but_not_written(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "lock").hardlink_to(tmp_path / "victim")
    with measuring_alone(tmp_path / "lock", Silent()):
        assert (tmp_path / "victim").read_text() == "precious"


def test_a_pipe_in_place_of_the_lock_is_refused(tmp_path):
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(HarnessError, match="regular file"), measuring_alone(tmp_path / "lock", Silent()):
        pass


def test_a_lock_that_another_user_made_locks_as_well(tmp_path, monkeypatch):
    lock, opened = tmp_path / "lock", os.open
    lock.write_text("4321")

    def open_as_another(path, flags, *mode):
        if path == lock and flags & (os.O_RDWR | os.O_CREAT):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_as_another)
    with measuring_alone(lock, Silent()), lock.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert lock.read_text() == "4321"


def test_without_a_place_for_the_lock_measuring_goes_on_and_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    remarks = Remarks()
    with measuring_alone(tmp_path / "file" / "lock", remarks):
        pass
    assert "would not be noticed" in remarks.texts[0]


@pytest.fixture
def machine_lock(tmp_path, monkeypatch):
    path = tmp_path / "machine.lock"
    monkeypatch.setenv("CROSSRT_MACHINE_LOCK", str(path))
    return path


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [(True, False, "has this machine to itself"), (False, True, "other crossrt runs"), (True, True, "to itself|other")],
)
def test_exclusive_use_keeps_out_runs_with_other_caches(tmp_path, machine_lock, first, second, told):
    remarks, entered = Remarks(), threading.Event()

    def other() -> None:
        with measuring_alone(tmp_path / "other" / "lock", remarks, is_exclusive=second):
            entered.set()

    with measuring_alone(tmp_path / "one" / "lock", Silent(), is_exclusive=first):
        waiting = threading.Thread(target=other)
        waiting.start()
        assert remarks.remarked.wait(10)
        assert not entered.is_set()
    waiting.join(10)
    assert entered.is_set()
    assert re.search(told, remarks.texts[0])


def test_runs_that_do_not_ask_for_exclusive_use_measure_beside_each_other_with_other_caches(tmp_path, machine_lock):
    remarks = Remarks()
    with (
        measuring_alone(tmp_path / "one" / "lock", Silent()),
        measuring_alone(tmp_path / "other" / "lock", remarks),
    ):
        assert remarks.texts == []


def test_exclusive_use_without_a_lock_that_can_be_shared_is_refused(tmp_path, machine_lock):
    machine_lock.symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(HarnessError, match=r"cannot be proved.*CROSSRT_MACHINE_LOCK"),
        measuring_alone(tmp_path / "lock", Silent(), is_exclusive=True),
    ):
        pass
    with measuring_alone(tmp_path / "lock", Silent()):
        assert not (tmp_path / "elsewhere").exists()
