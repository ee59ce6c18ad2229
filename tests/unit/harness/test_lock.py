from __future__ import annotations

import threading

import pytest

from crossrt.harness.cli.shared.progress import Silent
from crossrt.harness.process.lock import measuring_alone


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
