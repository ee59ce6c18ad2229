"""Versions of a runtime in the rounds of one run."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console

from crossrt.core.errors import DataError
from crossrt.datasets.request import DataRequest
from crossrt.exporters.errors import ModelError
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import BenchSettings, Effort, Subject
from crossrt.harness.run.bench import run_bench
from crossrt.reports.schema.files import read_report
from crossrt.reports.tables.terminal import print_report
from crossrt.reports.text.progress import Silent
from crossrt.runtimes.errors import OptionRefusedError, VersionRefusedError

pytestmark = pytest.mark.processes

SHORT = Effort(rounds=3, blocks=2, block_target_ns=500_000, warmup_ns=100_000)


@pytest.fixture
def bench_of(model):
    """Runs a short bench of a small model on some runtimes."""
    path = model("conv.fp32.onnx")

    def run(*runtimes, **changes):
        settings = BenchSettings(
            subject=Subject(models=(path,), samples=8), runtimes=runtimes, batch_sizes=(1,), effort=SHORT
        )
        return run_bench(settings, ["crossrt", "bench"], Silent(), **changes)

    return run


def test_versions_are_measured_in_the_same_rounds_and_one_that_breaks_is_a_failed_row(
    index, bench_of, tmp_path, monkeypatch, capsys
):
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "onnxruntime.py").write_text("raise RuntimeError('not this one')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shadow"))
    index.add("1.0.0", delay_s=0.002)
    index.add("2.0.0")
    index.add("3.0.0", body="raise RuntimeError('broken build')")
    report = bench_of("ort-cpu==1.0", "ort-cpu==2.0.0", "ort-cpu==1.0.0", "ort-cpu==3.0.0")
    assert [(each.runtime, each.runtime_version, each.status) for each in report.results] == [
        ("ort-cpu==1.0.0", "1.0.0", "ok"),
        ("ort-cpu==2.0.0", "2.0.0", "ok"),
        ("ort-cpu==3.0.0", None, "failed"),
    ]
    *measured, broken = report.results
    assert broken.reason == "ort-cpu is installed and cannot be imported: RuntimeError: broken build"
    slow, fast = (min(ns for one in each.rounds for block in one.blocks_ns for ns in block) for each in measured)
    assert slow > 2_000_000 > fast
    packages = report.environment.packages
    assert packages["runtime ort-cpu==1.0.0"] == "1.0.0"
    assert packages["numpy of ort-cpu==2.0.0"] == version("numpy")
    assert read_report(report.save(tmp_path / "report.json")).results == report.results
    print_report(report, Console(width=80))
    text = capsys.readouterr().out
    assert "ort-cpu==1.0.0, ort-cpu==2.0.0;" in text
    assert "ort-cpu==1.0.0 1.0.0" not in text


@pytest.mark.parametrize("name", ["ort-cpu==", "ort-cpu==1.*"])
def test_what_names_no_version_is_refused(bench_of, name):
    with pytest.raises(OptionRefusedError, match="names no version: write ort-cpu==VERSION"):
        bench_of(name)


def test_an_unknown_runtime_is_refused_before_anything_is_made(index, bench_of):
    with pytest.raises(HarnessError, match="no runtime 'ort-cpuu'"):
        bench_of("ort-cpu==1.0.0", "ort-cpuu==1.0.0")
    assert index.installs == []


@pytest.mark.parametrize("name", ["keras==3.0.0", "tract==0.23.9", "ort-openvino==1.20.0"])
def test_versions_of_runtimes_that_need_more_than_a_package_are_refused_before_anything_is_made(index, bench_of, name):
    with pytest.raises(VersionRefusedError, match="that is possible for ort-cpu, tflite, openvino"):
        bench_of("ort-cpu==1.0.0", name)
    assert index.installs == []


def test_models_and_data_are_looked_at_before_anything_is_made(index, model):
    def run(path, **data):
        subject = Subject(models=(path,), **data)
        run_bench(BenchSettings(subject=subject, runtimes=("ort-cpu==1.0.0",)), ["crossrt", "bench"], Silent())

    with pytest.raises(ModelError, match="does not exist"):
        run(Path("missing.onnx"))
    with pytest.raises(DataError, match=r"no data set 'missing\.npz'"):
        run(model("conv.fp32.onnx"), data=DataRequest(reference="missing.npz"))
    with pytest.raises(HarnessError, match="no runtime of this run reads tflite"):
        run(model("fixed.fp32.tflite"))
    assert index.installs == []
