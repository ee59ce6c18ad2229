"""Every way to extend crossrt from another package by one file and one entry point (runtimes: in `runtimes/`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from crossrt.reports.schema.files import read_report

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
MODEL = """
import numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
def write(path):
    w = np.random.default_rng(0).normal(0, 0.3, (8, 4)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(w, "w")])
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
"""


@pytest.fixture
def install(tmp_path):
    """Leaves another package as an installer would, in `site`."""

    def install(group, name, target, source):
        package = target.partition(":")[0]
        site = tmp_path / "site"
        metadata = site / f"{package}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (site / f"{package}.py").write_text(textwrap.dedent(source))
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")

    return install


@pytest.fixture
def crossrt(tmp_path):
    def run(*arguments, expected=0):
        path = os.pathsep.join(filter(None, [str(tmp_path / "site"), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "CROSSRT_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run(
            [CROSSRT, *map(str, arguments)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1200
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def model(tmp_path) -> Path:
    names: dict = {}
    exec(MODEL, names)
    names["write"](tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def bench(crossrt, tmp_path, *arguments):
    crossrt("bench", *arguments, "--rounds", 1, "--time", 6, "--runtime", "ort-cpu")
    (found,) = (tmp_path / "results").glob("*/report.json")
    return read_report(found)


@pytest.mark.processes
def test_data_set(install, crossrt, model, tmp_path):
    source = """
        import numpy as np
        def load():
            random = np.random.default_rng(1)
            return {"x": random.normal(size=(40, 8)).astype(np.float32), "labels": random.integers(0, 4, 40)}
    """
    install("crossrt.datasets", "my-data", "my_data:load", source)
    report = bench(crossrt, tmp_path, model, "--data", "my-data")
    assert (report.data.name, report.data.samples, report.task) == ("my-data", 40, "classification")


@pytest.mark.processes
def test_reader_of_a_kind_of_file(install, crossrt, model, tmp_path):
    source = """
        import numpy as np
        from crossrt.datasets.opening import dataset_from
        from crossrt.datasets.readers.reader import Reader
        def read(path, request, inputs):
            return dataset_from({"x": np.loadtxt(path, dtype=np.float32)}, path.name)
        reader = Reader(name="spaces", suffixes=(".spaces",), recognizes=lambda path, head: False, read=read)
    """
    install("crossrt.dataset_readers", "spaces", "my_reader:reader", source)
    np.savetxt(tmp_path / "some.spaces", np.random.default_rng(0).normal(size=(30, 8)))
    report = bench(crossrt, tmp_path, model, "--data", "some.spaces")
    assert (report.data.name, report.data.samples) == ("some.spaces", 30)


@pytest.mark.processes
def test_task(install, crossrt, model, tmp_path):
    source = """
        from crossrt.core.evaluation import Evaluation
        from crossrt.core.metric import BIGGER, MetricDefinition
        class Positive:
            name = "positive"
            metrics = (MetricDefinition(name="positive", label="positive", unit="share", direction=BIGGER,
                                        format="percent"),)
            def check(self, outputs, labels): pass
            def evaluate(self, outputs, labels, reference, steps):
                (values,) = outputs.values()
                return Evaluation(task=self.name, samples=len(values), values={"positive": float((values > 0).mean())})
    """
    install("crossrt.tasks", "positive", "my_task:Positive", source)
    report = bench(crossrt, tmp_path, model, "--task", "positive")
    assert report.task == "positive"
    assert 0 < next(metric.value for metric in report.metrics if metric.name == "positive") < 1
    assert "positive %" in crossrt("show", "results").stdout


@pytest.mark.processes
def test_metric_of_ones_own(crossrt, model, tmp_path):
    (tmp_path / "scoring.py").write_text("def largest(y, labels):\n    return y.max(axis=1)\n")
    report = bench(crossrt, tmp_path, model, "--task", "scoring.py:largest")
    assert "largest" in report.results[0].evaluation.values


@pytest.mark.processes
def test_quantizer(install, crossrt, model, tmp_path):
    source = """
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from crossrt.core.artifact import Quantization
        class Mine:
            def quantize(self, float_model, path, feeds, options):
                assert options == {"strength": 3}
                assert sum(len(feed["x"]) for feed in feeds) == 20
                quantize_dynamic(float_model, path, weight_type=QuantType.QInt8)
                return Quantization(scheme="dynamic", representation="qoperator", activation_type="uint8",
                                    weight_type="int8", granularity="per-tensor")
    """
    install("crossrt.quantizers", "mine", "my_quantizer:Mine", source)
    (tmp_path / "recipes.toml").write_text(
        '[recipes.by-mine]\nkind = "onnx-plugin"\nquantizer = "mine"\ncalibration_samples = 20\noptions.strength = 3\n'
    )
    np.savez(tmp_path / "calibration.npz", x=np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32))
    crossrt("quantize", model, "--file", "recipes.toml", "--calibration", "calibration.npz", "--out", "lab")
    manifest = json.loads((tmp_path / "lab" / "net.by-mine.onnx.manifest.json").read_text())
    assert manifest["role"] == "quantized"
    assert manifest["quantization"]["calibration_samples"] == 20
    assert manifest["quantization"]["recipe"]["options"] == {"strength": 3}


@pytest.mark.processes
def test_source(install, crossrt, tmp_path):
    source = MODEL + textwrap.dedent("""
        class Plain:
            def claims(self, path): return path.suffix == ".plain"
            def to_onnx(self, path, out): write(out)
    """)
    install("crossrt.sources", "plain", "my_source:Plain", source)
    (tmp_path / "net.plain").write_text("a model of another kind")
    assert json.loads(crossrt("inspect", "net.plain", "--json").stdout)["inputs"][0]["shape"] == ["batch", 8]
    report = bench(crossrt, tmp_path, "net.plain")
    assert report.artifacts[0].model == "net"


@pytest.mark.processes
def test_report_format(install, crossrt, model, tmp_path):
    source = """
        from crossrt.reports.exchange.registry import Format
        def write(report):
            return f"{report.run.id}: {len(report.results)} case\\n"
        one_line = Format(summary="one line", source="my_format:write")
    """
    install("crossrt.report_formats", "one-line", "my_format:one_line", source)
    report = bench(crossrt, tmp_path, model)
    assert crossrt("report", "results", "--to", "one-line").stdout == f"{report.run.id}: 1 case\n"
    assert "available: asv" in crossrt("report", "results", "--to", "no-line", expected=2).stderr
