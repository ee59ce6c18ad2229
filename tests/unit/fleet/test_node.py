"""What a node answers that cannot measure, and what it says of a run that failed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
import sys
import tempfile

import pytest

from crossrt.core.scratch import LOCK, owned_folder
from crossrt.fleet.running import node

VERSION = importlib.metadata.version("crossrt")


@pytest.fixture
def order(tmp_path):
    config = tmp_path / "crossrt.toml"
    config.write_text("[bench]\n")
    return {
        "machine": "epyc",
        "version": VERSION,
        "folder": str(tmp_path),
        "config": "crossrt.toml",
        "config_sha256": hashlib.sha256(config.read_bytes()).hexdigest(),
        "arguments": [],
        "cpus": 1.0,
        "seconds": 600,
        "wait_seconds": 60,
    }


def measure(order):
    return json.loads(node.measure(json.dumps(order)))


def test_a_node_with_another_crossrt_says_both_versions(order):
    problem = measure(order | {"version": "0.0.1"})["problem"]

    assert f"has crossrt {VERSION}, and 0.0.1 is here" in problem


def test_a_node_without_crossrt_says_where_it_has_to_be_installed(order, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)

    problem = measure(order)["problem"]

    assert "crossrt is not installed" in problem
    assert sys.executable in problem


def test_a_node_without_the_folder_or_with_another_configuration_says_so(order):
    assert "jobs need the same folder on every node" in measure(order | {"folder": "/nowhere"})["problem"]
    assert "is another file on" in measure(order | {"config_sha256": "0"})["problem"]


def test_what_ray_sets_for_its_tasks_is_taken_back_and_what_the_user_set_stays(order, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "OMP_NUM_THREADS" not in node._variables(order)
    assert node._variables(order)["CROSSRT_MACHINE"] == "epyc"

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert node._variables(order)["OMP_NUM_THREADS"] == "3"


def test_the_last_message_of_a_run_is_what_is_told():
    stderr = "  a remark\ncrossrt: no such file: a.onnx\n  is it there?\n"

    assert node._said(stderr, 2) == "no such file: a.onnx\n  is it there?"
    assert node._said("  a remark\n", 0) is None
    assert "signal 9" in node._said(stderr, -9)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("said", "seconds", "wait_seconds", "told"),
    [
        ("waiting: other crossrt runs are measuring on this machine", 0.01, 60, None),
        ("waiting: other crossrt runs are measuring on this machine", 60, 0.01, "other crossrt runs measured on node"),
        ("measuring (12 steps)", 0.01, 60, "it took longer than"),
    ],
)
def test_time_in_which_a_run_waits_for_others_is_no_time_of_its_own(said, seconds, wait_seconds, told, monkeypatch):
    monkeypatch.setattr(node, "_LOOK_EVERY_S", 0.05)
    with tempfile.TemporaryFile() as stderr:
        stderr.write(f"earlier\n{said}\n".encode())
        stderr.flush()
        with subprocess.Popen(["sleep", "0.5"]) as process:
            problem = node._waited_for(process, {"seconds": seconds, "wait_seconds": wait_seconds}, stderr.fileno())
    assert (problem or "").startswith(told or "")
    assert (problem is None) == (told is None)


@pytest.mark.processes
def test_a_run_is_a_process_of_its_own_whose_end_is_told(order, tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "crossrt.toml").write_text('[model]\npath = "missing.onnx"\n')
    order["config_sha256"] = hashlib.sha256((tmp_path / "crossrt.toml").read_bytes()).hexdigest()

    found = measure(order)

    assert found["exit_code"] == 2
    assert found["report"] is None
    assert "missing.onnx" in found["problem"]


@pytest.mark.processes
def test_what_a_killed_job_left_is_removed_by_the_next_one_and_what_is_in_use_is_not(order, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(node, "_COMMAND", "")
    left, foreign = tmp_path / "crossrt-fleet-killed", tmp_path / "crossrt-fleet-foreign"
    for each in (left, foreign):
        each.mkdir()
        (each / "stderr").write_text("measuring")
    (left / LOCK).touch()

    with owned_folder(tmp_path, "crossrt-fleet-") as used:
        left.mkdir()
        (left / LOCK).touch()
        measure(order)

        assert used.exists()
        assert not left.exists()
        assert foreign.exists()
