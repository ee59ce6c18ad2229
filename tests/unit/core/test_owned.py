"""What is trusted in folders that others can write, and what is read at all."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from crossrt.core.owned import NotOurOwnError, irregular, is_own, make_own, own_folder, read_regular


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def test_a_folder_of_ours_is_taken_as_it_is(tmp_path):
    assert own_folder(tmp_path) == tmp_path
    assert own_folder(tmp_path / "missing") == tmp_path / "missing"


def test_in_a_shared_folder_each_user_has_one(shared):
    assert own_folder(shared) == shared / f"user-{os.geteuid()}"
    make_own(own_folder(shared))
    assert own_folder(shared) == shared / f"user-{os.geteuid()}"


def test_a_folder_of_another_user_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 4321)
    if os.getuid() == 0:
        os.chown(tmp_path, 12345, 12345)
    assert own_folder(tmp_path).parent == tmp_path


@pytest.mark.parametrize("kind", ["link", "open"])
def test_a_folder_that_was_planted_is_refused(shared, tmp_path, kind):
    planted = shared / f"user-{os.geteuid()}"
    if kind == "link":
        planted.symlink_to(tmp_path)
    else:
        planted.mkdir()
        planted.chmod(0o777)
    with pytest.raises(NotOurOwnError, match="cannot be trusted"):
        own_folder(shared)


def test_what_is_made_can_be_written_by_nobody_else_whatever_the_mask(tmp_path):
    mask = os.umask(0)
    try:
        make_own(tmp_path / "a" / "b")
    finally:
        os.umask(mask)
    assert is_own(tmp_path / "a")
    assert is_own(tmp_path / "a" / "b")


@pytest.fixture
def special(tmp_path):
    """A named pipe, a socket and a device."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        yield {"pipe": tmp_path / "pipe", "socket": tmp_path / "socket", "device": Path("/dev/zero")}


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_would_block_or_never_end_is_refused(special, kind):
    with pytest.raises(OSError, match=f"not a regular file but a .*{kind}") as caught:
        read_regular(special[kind])
    assert caught.value.filename == str(special[kind])
    assert kind in str(irregular(special[kind]))


def test_a_file_and_a_folder_are_what_they_were(tmp_path):
    (tmp_path / "file").write_bytes(b"text")
    assert read_regular(tmp_path / "file") == b"text"
    assert [irregular(tmp_path / name) for name in ("file", "", "missing")] == [None] * 3
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)
