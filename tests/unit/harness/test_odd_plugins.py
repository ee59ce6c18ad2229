"""Plug-ins that fail on import, ask the process to end, hang, or share a name: one message that names them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from crossrt.cli.shared.exchange import export
from crossrt.core.errors import CrossrtError, PluginError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.opening import DataRequest
from crossrt.exporters.plugins import quantize_with_plugin
from crossrt.exporters.recipes.recipe import OnnxPlugin
from crossrt.harness.build.foreign_sources import readable
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.hosted_task import chosen_task
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.probe import probe_runtimes
from crossrt.harness.process.user_code import user_code_in
from crossrt.harness.process.user_data import served

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"
X = (TensorSpec(name="x", dtype="float32", shape=("N", 2)),)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Leaves a package with a plug-in called `odd`, as an installer would."""
    site = tmp_path / "site"
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setitem(sys.modules, "crossrt_odd", None)  # so that it is not there after the test either
    monkeypatch.delitem(sys.modules, "crossrt_odd")

    def leave(group, source, package="crossrt_odd"):
        metadata = site / f"{package}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (site / f"{package}.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\nodd = {package}:odd\n")

    return leave


@pytest.fixture
def ask(tmp_path):
    """Does what needs the plug-in of a group."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    file = tmp_path / "some.odd"
    file.write_text("odd\n")

    def runtime():
        limits = WorkerLimits(timeout_s=float(os.environ.get("CROSSRT_CODE_TIMEOUT", "60")))
        (found,) = probe_runtimes(["odd"], limits)
        if found.problem is not None:
            raise HarnessError(f"{found.name}: {found.problem}")

    asks = {
        "crossrt.datasets": lambda: served(DataRequest(reference="odd"), X, scratch),
        "crossrt.dataset_readers": lambda: served(DataRequest(reference=str(file)), X, scratch),
        "crossrt.tasks": lambda: chosen_task("odd", None, {"y": np.zeros((2, 1))}, scratch),
        "crossrt.sources": lambda: readable(file),
        "crossrt.report_formats": lambda: export([REPORT], "odd", None),
        "crossrt.runtimes": runtime,
    }
    with user_code_in(scratch):
        yield asks


GROUPS = (
    "crossrt.datasets",
    "crossrt.dataset_readers",
    "crossrt.tasks",
    "crossrt.sources",
    "crossrt.report_formats",
    "crossrt.runtimes",
)


def refusal(call) -> str:
    with pytest.raises(CrossrtError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.processes
@pytest.mark.parametrize("group", ["crossrt.datasets", "crossrt.tasks", "crossrt.sources", "crossrt.runtimes"])
def test_a_plugin_that_asks_the_process_to_end_is_named_with_its_own_error(group, install, ask):
    install(group, "class Stop(BaseException):\n    pass\n\n\nraise Stop('no licence')\n")
    assert "Stop: no licence" in (said := refusal(ask[group]))
    assert "odd" in said


@pytest.mark.processes
@pytest.mark.parametrize("group", GROUPS)
def test_a_plugin_that_hangs_is_stopped_and_named(group, install, ask, monkeypatch):
    monkeypatch.setenv("CROSSRT_CODE_TIMEOUT", "0.3")
    install(group, "import time\ntime.sleep(600)\n")
    said = refusal(ask[group])
    assert "within 0.3 s" in said
    assert "odd" in said


@pytest.mark.parametrize("group", GROUPS)
def test_two_plugins_of_one_name_are_named_both(group, install, ask):
    install(group, "odd = 1\n")
    install(group, "odd = 2\n", package="crossrt_other")
    with pytest.raises(PluginError, match="are called 'odd': crossrt_odd:odd and crossrt_other:odd; uninstall one"):
        ask[group]()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise SystemExit(3)", r"the quantizer 'odd' failed: SystemExit: 3 \(crossrt_odd.py, line 3\)"),
        ("pass", "the quantizer 'odd' wrote no file"),
    ],
)
def test_a_quantizer_that_fails_is_named(install, tmp_path, body, message):
    install("crossrt.quantizers", f"class odd:\n    def quantize(self, *_):\n        {body}\n")
    (tmp_path / "float.onnx").write_bytes(b"")
    recipe = OnnxPlugin(quantizer="odd")
    with pytest.raises(CrossrtError, match=message):
        quantize_with_plugin(recipe, tmp_path / "float.onnx", tmp_path / "out.onnx", None)


@pytest.mark.processes
def test_what_a_format_makes_comes_back_as_it_is(install, capfd):
    install(
        "crossrt.report_formats",
        "from crossrt.reports.exchange.registry import Format\n"
        "def write(report):\n    print('making')\n    return report.run.id + '\\n'\n"
        "odd = Format(summary='one line', source='crossrt_odd:write')\n",
    )
    export([REPORT], "odd", None)
    captured = capfd.readouterr()
    assert captured.out.count("\n") == 1
    assert captured.err == "making\n"
