"""Where caches are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossrt.harness.locations import cache_folder


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"CROSSRT_CACHE_DIR": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"CROSSRT_CACHE_DIR": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/crossrt"),
        ({"CROSSRT_CACHE_DIR": "", "XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/crossrt"),
        ({"CROSSRT_CACHE_DIR": "", "XDG_CACHE_HOME": "", "HOME": "/"}, "/.cache/crossrt"),
    ],
)
def test_the_most_special_variable_counts(monkeypatch, variables, found):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(found)


def test_a_user_without_a_home_gets_no_folder_called_like_one(monkeypatch):
    for name in ("CROSSRT_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(_):
        raise KeyError("no such user")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert cache_folder() == Path("/.cache/crossrt")
