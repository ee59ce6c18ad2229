"""`crossrt cache`: what is listed, and what is removed."""

from __future__ import annotations

import fcntl
import json
import os
import time

import pytest

DAY = 86_400


@pytest.fixture
def filled(own_cache):
    """A cache with an environment, model files and an inspection of several ages, in days."""

    def make(name, age, size=1000, mark=None):
        path = own_cache / name
        if mark is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * size)
        else:
            path.mkdir(parents=True)
            (path / "content").write_bytes(b"x" * size)
            (path / mark).touch()
        then = time.time() - age * DAY
        for each in (*(path.iterdir() if path.is_dir() else ()), path):
            os.utime(each, (then, then))
        return path

    return {
        "environment": make("environments/ort-cpu-1.29-cp311-0", 40, 5_000_000, "in-use"),
        "old": make("artifacts/old.fp32.onnx-1", 31, mark="key"),
        "new": make("artifacts/new.fp32.onnx-1", 1, mark="key"),
        "inspection": make("inspections/0.json", 2),
    }


def test_an_empty_cache_says_so(crossrt, own_cache):
    assert crossrt("cache").stdout.strip() == f"{own_cache} holds nothing"


def test_the_list_says_how_large_and_when_last_used(crossrt, filled):
    lines = crossrt("cache", COLUMNS="100").stdout.splitlines()
    assert [line.split() for line in lines[2:5]] == [
        ["ort-cpu-1.29-cp311-0", "environment", "5.0", "40", "d", "ago"],
        ["old.fp32.onnx-1", "model", "file", "0.0", "31", "d", "ago"],
        ["new.fp32.onnx-1", "model", "file", "0.0", "1", "d", "ago"],
    ]
    assert "not shown: 1 of kind inspection" in lines[5]


def test_json_lists_all(crossrt, filled):
    for arguments in (("cache", "--json"), ("cache", "list", "--json")):
        (table,) = json.loads(crossrt(*arguments).stdout)["tables"]
        assert len(table["rows"]) == 4


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ((), {"new", "inspection"}),
        (("--older-than", "36h"), {"new"}),
        (("--environments",), {"old", "new", "inspection"}),
        (("--environments", "--older-than", "6w"), {"environment", "old", "new", "inspection"}),
        (("--all",), set()),
        (("--all", "--dry-run"), {"environment", "old", "new", "inspection"}),
    ],
)
def test_prune_removes_what_was_asked_for(crossrt, filled, own_cache, arguments, left):
    done = crossrt("cache", "prune", *arguments)
    assert done.returncode == 0
    assert {name for name, path in filled.items() if path.exists()} == left
    assert not list(own_cache.rglob(".staging-*"))


def test_what_a_run_uses_is_kept(crossrt, filled, own_cache):
    with (filled["environment"] / "in-use").open() as use, (own_cache / "measuring.lock").open("w") as measuring:
        fcntl.flock(use, fcntl.LOCK_SH)
        fcntl.flock(measuring, fcntl.LOCK_EX)
        done = crossrt("cache", "prune", "--all")
    assert all(path.exists() for path in filled.values())
    assert "kept: ort-cpu-1.29-cp311-0: a run uses it" in done.stdout
    assert "kept: new.fp32.onnx-1: a run is measuring" in done.stdout
    assert "removed 0 of 4" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--older-than", "soon"), "is not an age: write a number with m, h, d or w"),
        (("--all", "--older-than", "1d"), "exclude each other"),
    ],
)
def test_ages_that_mean_nothing_are_refused(crossrt, arguments, said):
    done = crossrt("cache", "prune", *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_a_version_is_called_the_same_in_the_list_and_where_it_goes(crossrt, filled):
    manifest = {
        "runtime": "ort-cpu", "version": "1.29.0", "package": "onnxruntime", "python": "3.11.9",
        "packages": {"numpy": "2.1.0"}, "contents": "", "made_at": "",
    }  # fmt: skip
    (filled["environment"] / "environment.json").write_text(json.dumps(manifest))
    for arguments in ((), ("prune", "--all", "--dry-run"), ("prune", "--all")):
        assert "ort-cpu==1.29.0 (Python 3.11.9, numpy 2.1.0)" in crossrt("cache", *arguments, COLUMNS="120").stdout
    assert not filled["environment"].exists()
