"""Versions in order, and what installers say when they fail."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from crossrt.runtimes.errors import VersionRefusedError
from crossrt.runtimes.versions.installer import Installer, InstallError, last_words
from crossrt.runtimes.versions.numbers import check_version, is_release, version_key

ORDERED = ["0.9", "1.9.0", "1.10rc1", "1.10", "1.10.post1", "1.10.1", "2.0.dev3", "2.0"]


def test_versions_are_in_order():
    for older, newer in itertools.pairwise(ORDERED):
        assert version_key(older) < version_key(newer)
    assert version_key("1.29") == version_key("1.29.0")


def test_previews_are_no_releases():
    assert [each for each in ORDERED if is_release(each)] == ["0.9", "1.9.0", "1.10", "1.10.post1", "1.10.1", "2.0"]


@pytest.mark.parametrize("text", ["", "1.*", ">=1.2", "latest", "1.2 ", "v1.2"])
def test_what_leaves_a_part_open_is_no_version(text):
    with pytest.raises(VersionRefusedError, match="does not name one version"):
        check_version(text)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("error: No solution found\n  cause: Because there is no version of x==9 and you require x==9", "version"),
        ("ERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1.0)", "version"),
        ("WARNING: Retrying after connection broken by NewConnectionError\nERROR: No matching distribution", "network"),
        ("cause: x==1.0 needs to be downloaded from a registry, so that it is unsatisfiable", "network"),
        ("OSError: [Errno 28] No space left on device", "disk"),
        ("ERROR: Exception", "other"),
    ],
)
def test_failures_are_told_apart(said, problem):
    assert InstallError(said).problem == problem


def test_the_last_cause_is_what_is_told():
    assert last_words("hint: x\nerror: Request failed\n  cause: dns   error\n\nhint: y") == "dns error"
    assert last_words("") == "it said nothing"


def test_releases_of_pip_are_cut_and_sorted(tmp_path):
    pip = tmp_path / "pip"
    pip.write_text("#!/bin/sh\necho 'x (3.0)'\necho 'Available versions: 3.0, 2.0, 1.10, 1.9, 1.2rc1, 1.0'\n")
    pip.chmod(0o755)
    found = Installer(name="pip", command=(str(pip),))
    assert found.releases(Path("python"), "x", "1.0", "3.0") == ["1.9", "1.10", "2.0"]
    assert found.nearest(Path("python"), "x", "1.5") == ["1.0", "1.9"]
