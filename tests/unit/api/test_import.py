"""`import crossrt`: its names, what it costs, and `python -m crossrt`."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import crossrt
from crossrt.core.errors import CrossrtError

HEAVY = {
    *("numpy", "scipy", "onnx", "onnxruntime", "ai_edge_litert", "tensorflow", "keras", "rich", "click", "msgspec"),
    *("sqlalchemy", "matplotlib", "jinja2"),
}
NAMES = {
    *("Comparison", "CrossrtError", "Duel", "Inspection", "Quantized", "Report", "SearchReport", "Trained"),
    *("ExportedPair", "export_quantized", "quantization_aware"),
    *("BisectionReport", "bisect_runtime"),
    *("bench", "compare", "duel", "inspect", "load_report", "qat", "quantize", "search"),
}


def python(source: str, *options: str) -> str:
    return subprocess.run([sys.executable, *options, "-c", source], capture_output=True, text=True, check=True).stdout


def test_names_are_these():
    assert set(crossrt.__all__) == NAMES
    assert {*NAMES, "__version__"} <= set(dir(crossrt))
    for name in NAMES:
        assert getattr(crossrt, name).__doc__


def test_arguments_are_these():
    names = {name: list(inspect.signature(getattr(crossrt, name)).parameters) for name in NAMES if name.islower()}
    assert names["bench"] == [
        *("model", "data", "labels", "calibration", "task", "runtimes", "batch", "threads", "scenarios", "dimensions"),
        *("time", "rounds", "only", "recipes", "baseline", "samples", "minimum_agreement", "cpu", "roofline"),
        *("evidence", "exclusive"),
        *("seed", "progress"),
    ]
    assert names["duel"] == [
        *("a", "b", "model", "data", "labels", "calibration", "dimensions", "batch", "margin", "budget", "seed"),
        "progress",
    ]
    assert names["quantize"] == [
        *("model", "out", "calibration", "data", "labels", "recipes", "minimum_agreement", "seed", "progress"),
    ]
    assert names["compare"] == ["baseline", "current", "margins", "only"]
    assert names["load_report"] == ["path"]
    assert names["inspect"] == ["model", "allow_h5"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'crossrt' has no attribute 'nonesuch'"):
        _ = crossrt.nonesuch


def test_errors_have_one_root():
    assert crossrt.CrossrtError is CrossrtError


def test_importing_it_imports_nothing_heavy():
    loaded = python("import sys, crossrt; crossrt.CrossrtError; print(*sys.modules)").split()
    assert not {name.partition(".")[0] for name in loaded} & HEAVY


def test_its_functions_import_no_runtime_before_they_are_called():
    loaded = python("import sys, crossrt; crossrt.bench; crossrt.compare; print(*sys.modules)").split()
    roots = {name.partition(".")[0] for name in loaded}
    assert not roots & (HEAVY - {"numpy", "msgspec"})


def test_importing_it_takes_less_than_100_ms():
    source = "import time; start = time.perf_counter(); import crossrt; print(time.perf_counter() - start)"
    assert min(float(python(source)) for _ in range(5)) < 0.1


def test_the_package_is_a_command():
    done = subprocess.run([sys.executable, "-m", "crossrt", "--version"], capture_output=True, text=True, check=True)
    assert crossrt.__version__ in done.stdout
    wrong = subprocess.run([sys.executable, "-m", "crossrt", "nonesuch"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
