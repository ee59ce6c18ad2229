"""Limits of the machine: measured once; files and runs compared with them; evidence where the machine shows any."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from crossrt.exporters.sources.work import count_work
from crossrt.harness.build.exported import read_folder
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.roofline import limits as limits_module
from crossrt.harness.roofline.kernels import _placed
from crossrt.harness.roofline.limits import machine_limits
from crossrt.harness.roofline.measure import fastest_s
from crossrt.harness.roofline.work import work_of
from crossrt.reports.schema.roofline import Limits, Peak
from crossrt.runtimes.kernels import Kernel, Profile

LIMITS = Limits(
    threads=1,
    peaks=(Peak(dtype="float32", ops_per_s=1e11, by="a"), Peak(dtype="int8", ops_per_s=4e11, by="a")),
    bandwidth_bytes_per_s=1e10,
)


@pytest.fixture
def files(folder):
    return read_folder(folder).artifacts


def test_both_formats_of_a_model_have_the_same_work(files):
    counted = {name: count_work(artifact, {}) for name, artifact in files.items()}
    assert len({each.macs for each in counted.values()}) == 1
    assert all(each.macs and not each.uncounted for each in counted.values())


def test_quantized_weights_are_a_quarter_of_the_bytes(files):
    work = {name: work_of(artifact, {}) for name, artifact in files.items()}
    whole, quantized = work["conv.fp32.tflite"], work["conv.int8-io.tflite"]
    assert (whole.dtype, quantized.dtype) == ("float32", "int8")
    assert whole.weight_bytes == 4 * quantized.weight_bytes
    assert whole.io_bytes == 4 * (28 * 28 + 10)
    assert quantized.io_bytes == 28 * 28 + 10


ANSWER = {
    "peaks": [
        {"dtype": "float32", "ops_per_s": 1e11, "by": "slow"},
        {"dtype": "float32", "ops_per_s": 2e11, "by": "fast"},
        {"dtype": "int8", "ops_per_s": 4e11, "by": "fast"},
    ],
    "bandwidth_bytes_per_s": 1e10,
    "missing": [],
}


class _Child:
    """Answers as the measuring process does."""

    def __init__(self) -> None:
        self.answer, self.asked, self.variables = ANSWER, [], {}

    def __call__(self, _module, *, variables):
        self.variables = variables
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, request, _timeout_s):
        self.asked.append((request["threads"], self.variables["OPENBLAS_NUM_THREADS"]))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def child(monkeypatch):
    made = _Child()
    monkeypatch.setattr(limits_module, "ChildProcess", made)
    return made


def test_limits_are_measured_once_for_each_number_of_threads(child):
    first = machine_limits(1)
    assert first == machine_limits(1)
    assert [(peak.dtype, peak.by) for peak in first.peaks] == [("float32", "fast"), ("int8", "fast")]
    assert child.asked == [(1, "1")]
    machine_limits(2)
    machine_limits(1, refresh=True)
    assert child.asked == [(1, "1"), (2, "2"), (1, "1")]


def test_another_machine_and_a_damaged_file_are_measured_again(child, monkeypatch, own_cache):
    machine_limits(1)
    monkeypatch.setattr(limits_module, "cpu_model", lambda: "another")
    machine_limits(1)
    assert len(child.asked) == 2
    for path in (own_cache / "limits").iterdir():
        path.write_text("{}")
    machine_limits(1)
    assert len(child.asked) == 3


@pytest.mark.parametrize("answer", [ChildFailedError("it crashed", ""), {"peaks": []}])
def test_limits_that_cannot_be_measured_are_one_error(child, answer):
    child.answer = answer
    with pytest.raises(HarnessError, match="the limits of this machine cannot be measured"):
        machine_limits(1)


def test_the_fastest_call_counts(monkeypatch):
    clock = iter([0, 1.0, 1.5, 2.0, 2.1, 3.0, 3.7, 4.0, 4.2, 5.0, 5.3, 6.0, 7.0])
    monkeypatch.setattr("crossrt.harness.roofline.measure.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr("crossrt.harness.roofline.measure._LONG_S", 0.0)
    assert fastest_s(lambda: None) == pytest.approx(0.1)


def _kernels(*operators: str) -> Profile:
    return Profile(
        kernels=tuple(
            Kernel(operator=each, name=each, kind="float", dtype="float32", duration_ns=1000.0) for each in operators
        )
    )


def test_kernels_that_follow_each_other_as_layers_do_get_their_work(files):
    artifact = files["conv.fp32.onnx"]
    counted = count_work(artifact, {})
    operators = ["Conv" if layer.family == "convolution" else "FusedGemm" for layer in counted.layers]
    kernels, notes = _placed(artifact, counted, _kernels("Reshape", *operators), 4, "ort-cpu")
    assert kernels[0][1] is None
    assert [point.ops for _, point in kernels[1:]] == [8.0 * layer.macs for layer in counted.layers]
    assert len(notes) == 1
    kernels, (note,) = _placed(artifact, counted, _kernels("Conv", "Conv", *operators), 4, "ort-cpu")
    assert all(point is None for _, point in kernels)
    assert "which is which is open" in note


def test_without_a_profiler_there_is_the_whole_call_alone(files):
    artifact = files["conv.fp32.tflite"]
    assert _placed(artifact, count_work(artifact, {}), None, 1, "tflite")[0] == []


@pytest.mark.processes
def test_a_run_keeps_the_limits_and_the_work_of_its_files(bench, monkeypatch):
    monkeypatch.setattr("crossrt.harness.roofline.report.machine_limits", lambda _threads: LIMITS)
    report = bench(only=("fp32",), effort_rounds=1, has_roofline=True)
    assert report.roofline.limits == LIMITS
    assert {each.artifact for each in report.roofline.work} == {result.artifact for result in report.results}


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (helper.make_node("Relu", ["x"], ["y"]), "can be counted: it has Relu alone; without it there is no roofline"),
        (
            helper.make_node("Einsum", ["x"], ["y"], equation="nc->nc"),
            "can be counted: the work of Einsum is not known",
        ),
    ],
)
def test_a_file_without_work_is_refused_before_any_process_is_started(crossrt, monkeypatch, tmp_path, node, said):
    monkeypatch.setattr("crossrt.cli.commands.explain.runtime_of", None)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in "xy")
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "own.onnx")
    done = crossrt("roofline", "own.onnx")
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.processes
def test_a_file_is_compared_whole_and_kernel_by_kernel(crossrt, monkeypatch, folder):
    monkeypatch.setattr("crossrt.harness.roofline.kernels.machine_limits", lambda _threads, **_: LIMITS)
    done = crossrt("roofline", folder / "conv.fp32.onnx", "--batch", "8", COLUMNS="120")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("whole call") for line in lines) == 1
    assert any(line.startswith("Conv") and "float" in line for line in lines)
    assert any("fp32 100 GOP/s" in line for line in lines)


def test_a_report_without_limits_says_how_to_get_them(crossrt):
    done = crossrt("roofline", Path(__file__).parents[2] / "data" / "report-v1.json")
    assert done.returncode == 2
    assert "holds no limits of its machine: measure with crossrt bench --roofline" in done.stderr
