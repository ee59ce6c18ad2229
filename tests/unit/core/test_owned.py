"""What is trusted in folders that others can write."""

from __future__ import annotations

import os

import pytest

from crossrt.core.owned import NotOurOwnError, is_own, make_own, own_folder


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
