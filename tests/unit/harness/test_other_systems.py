"""Systems that lack what only Linux has: what is missing is one line each, and the rest works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.cli import entry
from crossrt.harness.process import affinity
from crossrt.reports.schema.files import read_report

DATA = Path(__file__).parents[2] / "data"
CROSSRT = str(Path(sys.executable).with_name("crossrt"))


def test_nothing_is_missing_on_linux():
    assert affinity.missing_abilities() == []


def test_without_limits_of_processors_all_of_them_are_used_and_none_is_pinned(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(os, "sched_setaffinity")
    assert affinity.usable_cpus() == frozenset(range(os.cpu_count()))
    assert affinity.Processors.of_this_process().pinned_cpu(1) is None
    assert affinity.missing_abilities() == [affinity.NOT_PINNED]


def test_without_marks_of_memory_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(affinity, "STATUS", tmp_path / "none")
    assert affinity.missing_abilities() == [affinity.NO_MARKS]


def test_windows_is_told_what_works_there(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "win32")
    assert entry.main() == 2
    assert "WSL 2" in capsys.readouterr().err


@pytest.mark.processes
def test_a_model_is_measured_where_processes_cannot_be_pinned_nor_their_memory_be_read(tmp_path):
    model = DATA / "models" / "conv.fp32.onnx" / "model.onnx"
    environment = {
        **os.environ,
        "PYTHONPATH": str(DATA / "other_system"),
        "CROSSRT_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [CROSSRT, "bench", str(model), "--rounds", "2", "--time", "60", "--out", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = (read_report(path) for path in tmp_path.glob("*/report.json"))
    assert {affinity.NOT_PINNED, affinity.NO_MARKS} <= set(report.warnings)
    assert report.run.settings.pinned_cpu is None
    assert all(result.memory is None for result in report.results)
    assert all(result.rounds for result in report.results)
