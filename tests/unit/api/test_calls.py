"""The functions of `import crossrt`, with Python objects in and out."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

import crossrt
from crossrt.reports.schema.records import Duel, Report

pytestmark = pytest.mark.processes

SHORT = {"rounds": 1, "time": 4.0}
REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"


def case_of(report: Report) -> str:
    (result,) = report.results
    assert result.status == "ok", result.reason
    return result.case


def test_a_file_is_measured_on_random_inputs_without_a_word(path, capfd):
    report = crossrt.bench(path, **SHORT)
    assert case_of(report) == "net.fp32@ort-cpu/b1/t1"
    assert report.data.is_random
    assert capfd.readouterr() == ("", "")
    assert report.run.command == ("crossrt.bench",)


def test_arrays_and_labels_are_data(path, arrays):
    labels = np.arange(300) % 4
    report = crossrt.bench(str(path), data={"x": arrays}, labels=labels, **SHORT)
    assert (report.task, report.data.samples, report.data.is_random) == ("classification", 300, False)
    assert report.data.labels.unpack().tolist() == labels.tolist()
    assert report.results[0].evaluation.values["agreement"] == 1.0


def test_one_array_feeds_a_single_input_whatever_its_name(path, arrays):
    report = crossrt.bench(path, data=arrays, samples=20, batch=[2, 1], **SHORT)
    assert (report.task, report.data.samples) == ("agreement", 20)
    assert [each.batch_size for each in report.results] == [1, 2]


def test_a_file_of_data_and_a_task_by_name(path, arrays, tmp_path):
    np.savez(tmp_path / "test.npz", x=arrays, labels=arrays[:, :4])
    report = crossrt.bench(path, data=tmp_path / "test.npz", task="regression", **SHORT)
    assert report.task == "regression"
    assert {"mae", "rmse"} <= {each.name for each in report.definitions}


def test_a_model_in_memory_is_a_model(proto, arrays):
    assert case_of(crossrt.bench(proto, data=arrays, **SHORT)).endswith("@ort-cpu/b1/t1")


def test_several_files_are_compared_with_the_first(path, arrays, tmp_path):
    shutil.copyfile(path, tmp_path / "other.onnx")
    report = crossrt.bench([path, "other.onnx"], data=arrays, **SHORT)
    assert [each.case for each in report.results] == ["net.net@ort-cpu/b1/t1", "net.other@ort-cpu/b1/t1"]
    assert report.reference == "net on ort-cpu"
    assert report.results[1].evaluation.values["agreement"] == 1.0


def test_progress_goes_to_standard_error_where_it_is_asked_for(path, capfd):
    crossrt.bench(path, progress=True, **SHORT)
    output, errors = capfd.readouterr()
    assert output == ""
    assert "answers checked" in errors


def test_a_thread_of_the_user_may_measure(path):
    found = []
    thread = threading.Thread(target=lambda: found.append(crossrt.bench(path, **SHORT)))
    thread.start()
    thread.join()
    assert case_of(found[0])


def test_handlers_of_the_user_are_left_alone(path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    crossrt.bench(path, **SHORT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_report_is_saved_read_and_compared(path, tmp_path):
    report = crossrt.bench(path, **SHORT)
    (tmp_path / "run").mkdir()
    report.save(tmp_path / "run" / "report.json")
    assert crossrt.load_report("run") == crossrt.load_report(tmp_path / "run" / "report.json") == report
    found = crossrt.compare(report, "run")
    assert isinstance(found, crossrt.Comparison)
    assert found.exit_code == 0
    assert {each.case for each in found.findings} == {case_of(report)}


def test_a_report_can_be_looped_over_and_shows_in_notebooks(path):
    report = crossrt.bench(path, **SHORT)
    (row,) = report
    assert row.case == case_of(report)
    assert row.metrics["latency_p50_ns"] > 0
    assert "fp32@ort-cpu" in report._repr_html_()


def test_reports_of_version_1_are_read_and_compared():
    assert crossrt.load_report(REPORT).schema_version == 2
    found = crossrt.compare(REPORT, str(REPORT), only=["fp32*"], margins=["latency_p50_ns=3%"])
    assert found.exit_code == 0
    assert repr(found).endswith(" findings, 0 regressions, exit code 0>")


def test_two_files_are_compared_side_by_side(path, tmp_path):
    shutil.copyfile(path, tmp_path / "other.onnx")
    found = crossrt.duel(path, "other.onnx", budget=1.0, margin=10.0)
    assert isinstance(found, Duel)
    assert (found.a.result.variant, found.b.result.variant) == ("net", "other")
    assert found.a.result.rounds
    assert repr(found).startswith("<Duel of ")
    assert len(repr(found)) < 200
    assert crossrt.duel(path, data=None, budget=1.0, margin=10.0).b.result.variant == "fp32"


def test_a_float_file_is_quantized_with_arrays(path, arrays, tmp_path):
    found = crossrt.quantize(path, tmp_path / "lab", calibration=arrays[:200], data=arrays[200:], recipes=["int8-qdq"])
    assert found.folder == tmp_path / "lab"
    assert repr(found) == f"<Quantized in {tmp_path / 'lab'}: 2 files, 0 problems>"
    assert {"fp32.onnx", "int8-qdq.onnx"} == set(found.artifacts) | set(found.problems)
    assert found.problems == {}
    quantized = found.artifacts["int8-qdq.onnx"]
    assert (quantized.role, quantized.quantization.calibration_samples) == ("quantized", 200)
    assert quantized.path.parent == tmp_path / "lab"
    assert found.evaluations["int8-qdq.onnx"].outputs[0].sqnr_db > 20
    assert (found.cautions, found.left_out) == ({}, ())
    report = crossrt.bench(tmp_path / "lab", data=arrays[200:], **SHORT)
    assert {each.status for each in report.results} == {"ok"}
    assert report.reference == "fp32 on ort-cpu"


def test_what_is_not_built_for_want_of_calibration_data_is_said(path, arrays, tmp_path):
    found = crossrt.quantize(path, tmp_path / "lab", data=arrays)
    assert any("int8-qdq.onnx" in each and each.endswith("calibration=... adds them") for each in found.left_out)
    told = (*found.left_out, *found.cautions.values(), *found.problems.values())
    assert not any("--" in each.partition(" pip ")[0] for each in told)
    report = crossrt.bench(path, **SHORT)
    (left_out,) = (
        each for each in report.left_out if each.endswith(": no calibration data were given (--calibration DATA)")
    )
    assert "net.int8-qdq.onnx" in left_out
    report.save(tmp_path / "report.json")
    assert crossrt.load_report(tmp_path / "report.json").left_out == report.left_out


def test_outputs_that_are_far_off_are_a_caution_of_what_was_quantized(path, arrays, tmp_path, monkeypatch):
    monkeypatch.setattr("crossrt.harness.evaluate.judge.LARGE_DIFFERENCE", 1e-9)
    found = crossrt.quantize(path, tmp_path / "lab", data=arrays, recipes=["int8-dynamic"], minimum_agreement=0.0)
    assert set(found.cautions) == {"int8-dynamic.onnx"}
    assert found.cautions["int8-dynamic.onnx"].endswith("give data with labels and task to judge whether that matters")


def test_a_function_of_the_caller_gives_data_in_the_callers_own_process(path, arrays):
    called = []

    def load():
        called.append(os.getpid())
        return arrays, np.arange(300) % 4

    report = crossrt.bench(path, data=load, samples=40, **SHORT)
    assert called == [os.getpid()]
    assert (report.data.samples, report.task) == (40, "classification")
    with pytest.raises(ZeroDivisionError):
        crossrt.bench(path, data=lambda: 1 / 0)


def test_a_function_by_its_name_gives_data_in_another_process(path, tmp_path):
    (tmp_path / "data.py").write_text("import os\n\n\ndef load():\n    os.abort()\n")
    with pytest.raises(crossrt.CrossrtError, match=r"data.py:load could not be run to its end: .* SIGABRT"):
        crossrt.bench(path, data="data.py:load")


def test_a_file_is_inspected(path):
    found = crossrt.inspect(path)
    assert (found.kind, found.model) == ("onnx", "net")
    assert [spec.name for spec in (*found.inputs, *found.outputs)] == ["x", "scores"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crossrt.bench("missing.onnx"), "missing.onnx"),
        (lambda: crossrt.bench(object()), "an object of type object is not a model that crossrt takes"),
        (lambda: crossrt.bench("net.onnx", labels=np.arange(3)), "labels were given without data"),
        (lambda: crossrt.bench("net.onnx", data=np.ones((4, 3), np.float32)), "does not fit the model"),
        (lambda: crossrt.bench("net.onnx", data=np.ones((4, 16))), "float64"),
        (lambda: crossrt.bench("net.onnx", data=np.array([{}], dtype=object)), "Python objects"),
        (lambda: crossrt.bench("net.onnx", data="missing.npz"), "missing.npz"),
        (lambda: crossrt.bench("net.onnx", runtimes=["nonesuch"]), "nonesuch"),
        (lambda: crossrt.bench("net.onnx", only=["nonesuch"]), r"^only=\['nonesuch'\] selects no case"),
        (
            lambda: crossrt.bench("net.onnx", dimensions={"n": 2}),
            "^dimensions n: no input of net has this dimension",
        ),
        (lambda: crossrt.bench("net.onnx", baseline="a@b"), r"^baseline=.a@b. is not among the cases"),
        (lambda: crossrt.load_report(REPORT).save("."), r"^\. is a folder: name a file in it, such as report.json"),
        (lambda: crossrt.bench("net.onnx", batch=0), "batch is 0; expected 1 or more"),
        (lambda: crossrt.bench("net.onnx", batch="x"), "batch is 'x'; expected a whole number, 1 or more"),
        (lambda: crossrt.bench("net.onnx", batch=[1, "x"]), "batch is 'x'; expected a whole number"),
        (lambda: crossrt.duel("net.onnx", batch="x"), "batch is 'x'; expected a whole number"),
        (lambda: crossrt.bench("net.onnx", rounds=0), "rounds is 0; expected 1 or more"),
        (lambda: crossrt.bench("net.onnx", threads=0), "threads is 0; expected 1 or more"),
        (lambda: crossrt.bench("net.onnx", samples=0), "samples is 0; expected 1 or more"),
        (lambda: crossrt.bench("net.onnx", time=-1.0), "time is -1.0; expected a number above 0"),
        (lambda: crossrt.bench("net.onnx", minimum_agreement=99.0), "minimum agreement is 99.0; expected a share"),
        (lambda: crossrt.duel("net.onnx", "missing.onnx"), "missing.onnx"),
        (lambda: crossrt.duel("net.onnx", budget=0.0), "budget is 0.0; expected a number above 0"),
        (lambda: crossrt.quantize("net.onnx", "lab", recipes=["nonesuch"]), "nonesuch"),
        (lambda: crossrt.load_report("missing.json"), "missing.json"),
        (lambda: crossrt.compare("missing.json", "missing.json"), "missing.json"),
        (lambda: crossrt.compare(REPORT, REPORT, margins=["nonsense"]), "is not written"),
        (lambda: crossrt.inspect("missing.onnx"), "missing.onnx"),
    ],
)
def test_what_cannot_be_used_is_one_kind_of_error_that_names_it(path, call, message):
    with pytest.raises(crossrt.CrossrtError, match=message):
        call()
