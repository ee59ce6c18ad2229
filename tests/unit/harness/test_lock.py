from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from crossrt.harness.errors import HarnessError
from crossrt.harness.process.lock import measuring_alone
from crossrt.reports.text.progress import Silent

NOBODY = 65534


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
    (tmp_path / "victim").chmod(0o600)
    (tmp_path / "lock").hardlink_to(tmp_path / "victim")
    with measuring_alone(tmp_path / "lock", Silent()):
        assert (tmp_path / "victim").read_text() == "precious"
        assert stat.S_IMODE((tmp_path / "victim").stat().st_mode) == 0o600


def test_a_pipe_in_place_of_the_lock_is_refused(tmp_path):
    os.mkfifo(tmp_path / "lock", 0o622)
    before = (tmp_path / "lock").stat().st_mode
    with pytest.raises(HarnessError, match="regular file"), measuring_alone(tmp_path / "lock", Silent()):
        pass
    assert (tmp_path / "lock").stat().st_mode == before


def test_a_lock_that_another_user_made_locks_as_well(tmp_path, monkeypatch):
    lock, opened = tmp_path / "lock", os.open
    lock.write_text("4321")

    def open_as_another(path, flags, *mode):
        if path == lock and flags & os.O_RDWR and not flags & os.O_EXCL:
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
    [
        (True, False, "has this machine to itself"),
        (False, True, r"other crossrt runs are measuring on this machine: process PID \(.+\), for \d"),
        (True, True, "to itself|other"),
    ],
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
    assert re.search(told.replace("PID", str(os.getpid())), remarks.texts[0])


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
    remarks = Remarks()
    with measuring_alone(tmp_path / "lock", remarks):
        assert not (tmp_path / "elsewhere").exists()
    assert len(remarks.texts) == 1
    assert "would not be noticed" in remarks.texts[0]


@pytest.fixture
def as_another_user():
    """A folder like /tmp, and a way to become somebody else for a while."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")

    @contextmanager
    def become():
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        yield Path(name), become


def is_kept_out(machine_lock):
    with machine_lock.open() as other:
        try:
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_lock_that_root_made_keeps_out_and_lets_in_every_other_user(as_another_user, monkeypatch):
    folder, become = as_another_user
    monkeypatch.setenv("CROSSRT_MACHINE_LOCK", str(folder / "machine.lock"))
    mask = os.umask(0o077)
    try:
        with measuring_alone(folder / "of-root" / "lock", Silent(), is_exclusive=True), become():
            assert is_kept_out(folder / "machine.lock")
    finally:
        os.umask(mask)
    remarks = Remarks()
    with become(), measuring_alone(folder / "of-nobody" / "lock", remarks, is_exclusive=True):
        assert is_kept_out(folder / "machine.lock")
    assert remarks.texts == []


def test_a_lock_that_may_not_be_read_costs_an_ordinary_run_one_remark(as_another_user, monkeypatch):
    folder, become = as_another_user
    machine_lock = folder / "machine.lock"
    monkeypatch.setenv("CROSSRT_MACHINE_LOCK", str(machine_lock))
    machine_lock.touch(0o600)
    remarks = Remarks()
    with become():
        with measuring_alone(folder / "lock", remarks):
            pass
        with (
            pytest.raises(HarnessError, match="Permission denied"),
            measuring_alone(folder / "lock", Silent(), is_exclusive=True),
        ):
            pass
    assert len(remarks.texts) == 1
    assert "would not be noticed" in remarks.texts[0]


@pytest.mark.parametrize("place", ["file/lock", "missing/lock", "/proc/nothing/lock"])
def test_without_a_place_for_the_lock_of_the_machine_an_ordinary_run_is_as_ever(tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CROSSRT_MACHINE_LOCK", str(tmp_path / place))
    remarks = Remarks()
    with measuring_alone(tmp_path / "lock", remarks):
        assert remarks.texts == []
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_in_place_of_the_lock_of_the_machine_costs_one_remark(tmp_path, machine_lock, make):
    make(machine_lock)
    remarks = Remarks()
    with measuring_alone(tmp_path / "lock", remarks):
        pass
    assert len(remarks.texts) == 1


def test_a_file_system_without_locks_costs_an_ordinary_run_one_remark(tmp_path, machine_lock, monkeypatch):
    locked = fcntl.flock

    def flock(descriptor, kind):
        if kind & fcntl.LOCK_SH:
            raise OSError(errno.ENOLCK, "No locks available")
        locked(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", flock)
    remarks = Remarks()
    with measuring_alone(tmp_path / "lock", remarks):
        pass
    assert len(remarks.texts) == 1
    assert "No locks available" in remarks.texts[0]


def test_a_signature_of_a_process_that_is_gone_is_not_told(tmp_path, machine_lock):
    machine_lock.write_text("99999999")
    remarks, entered = Remarks(), threading.Event()

    def run() -> None:
        with measuring_alone(tmp_path / "lock", remarks):
            entered.set()

    with machine_lock.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = threading.Thread(target=run)
        waiting.start()
        assert remarks.remarked.wait(10)
    waiting.join(10)
    assert entered.is_set()
    assert "process unknown" in remarks.texts[0]
