"""Output folders: what was made for nothing is gone, and what was there stays."""

from __future__ import annotations

import errno
import tempfile

import pytest

from crossrt.harness.errors import HarnessError
from crossrt.harness.process.out import alone_in, check_writable, made_folder


def test_a_full_disk_leaves_no_folder_behind(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(HarnessError, match=r"cannot be written \(No space left on device\): choose another --out"):
        check_writable(tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_made_and_left_empty_is_removed(tmp_path):
    out = tmp_path / "deep" / "out"
    with made_folder(out, "checkpoints"):
        (out / "checkpoints").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_what_holds_something_or_was_there_before_stays(tmp_path):
    (tmp_path / "mine").mkdir()
    for each in ("mine", "made"):
        with made_folder(tmp_path / each, "checkpoints"):
            pass
    with made_folder(tmp_path / "full", "checkpoints"):
        (tmp_path / "full" / "curves.jsonl").write_text("")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["full", "mine"]


def test_a_folder_is_written_by_one_run_at_a_time(tmp_path):
    said = pytest.raises(HarnessError, match=r"another run is writing .* now: wait for its end")
    with alone_in(tmp_path), said, alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
