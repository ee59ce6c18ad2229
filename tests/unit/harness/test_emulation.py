"""Answers on a processor that this machine does not have: the emulator, what is tried, and what fails."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from crossrt.core.artifact import Quantization
from crossrt.core.evaluation import Evaluation
from crossrt.harness.emulation import emulator as emulators
from crossrt.harness.emulation.accuracy import _without_answers
from crossrt.harness.emulation.cures import differs, is_saturating, option_cures
from crossrt.harness.emulation.emulator import Emulator, find_emulator, is_already
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.assess import Assessment
from crossrt.harness.measure.case import Case, Scenario
from crossrt.harness.measure.settings import BenchSettings
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.tables.emulated import Answered, emulated_notes, emulated_sheet
from crossrt.runtimes.protocol import SessionOptions

WIDE = ("avx", "avx2", "avx512_vnni", "avx512f")


@pytest.fixture
def processor(monkeypatch):
    """Makes this machine's processor one with these instruction sets."""

    def be(*flags: str, machine: str = "x86_64") -> None:
        monkeypatch.setattr(emulators, "instruction_sets", lambda: flags)
        monkeypatch.setattr(emulators.platform, "machine", lambda: machine)

    return be


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(("avx2", "fma"), True), (("avx2", "avx_vnni"), False), (WIDE, False), (("avx2", "amx_int8"), False)],
)
def test_a_processor_without_wide_vectors_and_vnni_is_like_the_emulated_one(flags, expected):
    assert is_already("avx2", flags) is expected


def test_such_a_processor_needs_no_emulator(processor):
    processor("avx2", "fma")
    assert find_emulator("avx2") is None


def test_other_machines_cannot_emulate_it(processor):
    processor(*WIDE, machine="aarch64")
    with pytest.raises(HarnessError, match="needs an x86-64 processor to run on; this machine is aarch64"):
        find_emulator("avx2")
    processor("sse4_2")
    with pytest.raises(HarnessError, match="needs a processor with AVX2"):
        find_emulator("avx2")


def test_a_missing_emulator_is_named_with_the_command_that_installs_it(processor, crossrt, monkeypatch, folder):
    processor(*WIDE)
    monkeypatch.setattr(emulators.shutil, "which", lambda _name: None)
    for command in ("bench", "accuracy"):
        done = crossrt(command, folder, "--cpu", "avx2")
        assert done.returncode == 2
        assert "valgrind, which is not installed: apt-get install valgrind" in done.stderr


def test_a_configuration_may_ask_for_it(processor, crossrt, monkeypatch, tmp_path, folder):
    processor(*WIDE)
    monkeypatch.setattr(emulators.shutil, "which", lambda _name: None)
    (tmp_path / "crossrt.toml").write_text('[accuracy]\ncpu = "avx2"\n\n[bench]\ncpu = "avx2"\n')
    for command in ("bench", "accuracy"):
        assert "apt-get install valgrind" in crossrt(command, folder).stderr
    (tmp_path / "report.json").write_text("{}")
    assert "valgrind" not in crossrt("accuracy", "report.json").stderr


def test_an_emulator_that_hides_too_little_is_refused(processor, monkeypatch):
    processor(*WIDE)
    monkeypatch.setattr(emulators.shutil, "which", lambda _name: "/usr/bin/valgrind")
    monkeypatch.setattr(emulators, "_version", lambda _path: "valgrind-9")
    monkeypatch.setattr(emulators, "_features", lambda _emulator: ["AVX2", "AVX512F"])
    with pytest.raises(HarnessError, match=r"valgrind-9 --tool=none does not hide AVX512F"):
        find_emulator("avx2")
    monkeypatch.setattr(emulators, "_features", lambda _emulator: ["SSE42"])
    with pytest.raises(HarnessError, match="offers no AVX2"):
        find_emulator("avx2")


def test_an_unknown_processor_is_refused():
    with pytest.raises(HarnessError, match="cpu is 'sse2'; expected 'avx2'"):
        BenchSettings(cpu="sse2")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"flips": 1, "max_steps": 0.0}, True),
        ({"flips": 0, "max_steps": 1.0}, False),
        ({"flips": 0, "max_steps": 4.0}, True),
        ({"relative": 0.05}, True),
        ({"relative": 0.001}, False),
        ({}, False),
    ],
)
def test_more_than_rounding_is_a_difference(fields, expected):
    assert differs(EmulatedAnswers(case="a", cpu="avx2", emulator="v", status="ok", **fields)) is expected


def test_only_products_with_int8_weights_of_8_bits_saturate():
    row = EmulatedAnswers(case="a", cpu="avx2", emulator="v", status="ok", flips=1)
    how = {"scheme": "static", "representation": "qdq", "activation_type": "uint8", "granularity": "per-tensor"}
    assert is_saturating(Quantization(weight_type="int8", **how), row)
    assert not is_saturating(Quantization(weight_type="int8", reduce_range=True, **how), row)
    assert not is_saturating(Quantization(weight_type="uint8", **how), row)
    assert not is_saturating(None, row)
    assert list(option_cures([], {})) == []


def test_a_session_config_entry_reaches_onnx_runtime():
    from crossrt.runtimes.ort.adapter import _session_options

    options = SessionOptions(runtime_options={"session.x64quantprecision": "1"})
    artifact = type("Artifact", (), {"inputs": (), "batching": type("B", (), {"dimension": None})()})()
    native = _session_options(artifact, options)
    assert isinstance(native, onnxruntime.SessionOptions)
    assert native.get_session_config_entry("session.x64quantprecision") == "1"


def _stand_in(monkeypatch, *launcher: str) -> None:
    found = Emulator(cpu="avx2", launcher=launcher, name="stand-in 1")
    monkeypatch.setattr("crossrt.harness.run.bench.find_emulator", lambda _cpu: found)
    monkeypatch.setattr("crossrt.harness.emulation.accuracy.find_emulator", lambda _cpu: found)


@pytest.mark.processes
def test_every_case_is_answered_there_as_well(bench, monkeypatch):
    _stand_in(monkeypatch, "/usr/bin/env")
    report = bench(only=("fp32@ort-cpu", "int8-io@tflite"), effort_rounds=1, cpu="avx2")
    rows = {row.case: row for row in report.emulated}
    assert set(rows) == {result.case for result in report.results}
    for result in report.results:
        row = rows[result.case]
        assert (row.status, row.cpu, row.emulator, row.flips, row.samples) == ("ok", "avx2", "stand-in 1", 0, 64)
        assert isinstance(row.native, Evaluation)
        assert row.native.answers_sha256 == row.emulated.answers_sha256 == result.evaluation.answers_sha256


@pytest.mark.processes
def test_a_crash_there_is_a_failed_row_that_names_the_instruction(crossrt, monkeypatch, tmp_path, folder, data):
    script = tmp_path / "emulator"
    script.write_text("#!/bin/sh\necho 'valgrind: Unrecognised instruction at address 0x1.' >&2\nkill -ILL $$\n")
    script.chmod(0o755)
    _stand_in(monkeypatch, str(script))
    done = crossrt("accuracy", folder, "--cpu", "avx2", "--data", data, "--only", "int8-io@tflite", COLUMNS="400")
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if "failed" in line)
    assert "int8-io@tflite on avx2: failed: on the emulated avx2: the process was ended by SIGILL" in line
    assert "stand-in 1 does not know an instruction that this runtime uses" in line


@pytest.mark.processes
def test_a_machine_that_is_already_like_that_says_so(bench, monkeypatch):
    monkeypatch.setattr("crossrt.harness.run.bench.find_emulator", lambda _cpu: None)
    report = bench(only=("fp32@tflite",), effort_rounds=1, cpu="avx2")
    assert report.emulated == ()
    assert any("neither AVX-512 nor VNNI: its own answers are those of --cpu avx2" in each for each in report.warnings)


def test_a_report_holds_no_model_to_run(crossrt, tmp_path):
    (tmp_path / "report.json").write_text("{}")
    done = crossrt("accuracy", "report.json", "--cpu", "avx2")
    assert done.returncode == 2
    assert "report.json is a report, which holds no model to run on another CPU: name the MODEL" in done.stderr
    assert "name one REPORT, or give --cpu" in crossrt("accuracy").stderr


def test_what_has_no_answers_here_is_one_failed_row_of_each_file_and_runtime():
    def case(runtime, size=1):
        scenario = Scenario(batch_size=size, threads=1)
        return Case(model="m", variant="fp32", format="onnx", runtime=runtime, scenario=scenario)

    cases = [case("fine"), case("stuck"), case("stuck", 32), case("unknown")]
    stuck = Assessment(status="failed", reason="no answer within 2 s")
    assessments = {cases[0].id: Assessment(status="ok"), cases[1].id: stuck, cases[2].id: stuck}
    state = SimpleNamespace(cases=cases, assessments=assessments)
    rows = list(_without_answers(state, Emulator(cpu="avx2", launcher=(), name="stand-in 1")))
    assert [(row.case, row.status) for row in rows] == [("m.fp32@stuck/b1/t1", "failed")]
    answered = Answered(rows=rows, definitions=())
    assert answered.has_failed
    assert not emulated_sheet(answered).rows
    (line,) = emulated_notes(answered)
    assert line == "fp32@stuck on avx2: failed: not tried there, for it has no answers here: no answer within 2 s"


@pytest.mark.processes
def test_valgrind_shows_what_a_processor_without_vnni_answers(tmp_path):
    """A product that saturates in int16: 2 * 255 * 127 = 64,770 becomes 32,767."""
    if shutil.which("valgrind") is None:
        without = pytest.fail if os.environ.get("CI") else pytest.skip
        without("valgrind is not installed: apt-get install valgrind")
    emulator = find_emulator("avx2")
    if emulator is None:
        pytest.skip("this processor has neither AVX-512 nor VNNI")
    import onnx
    from onnx import helper

    weights = helper.make_tensor(
        "w", onnx.TensorProto.INT8, (64, 64), np.full((64, 64), 127, np.int8).tobytes(), raw=True
    )
    node = helper.make_node("MatMulInteger", ["x", "w"], ["y"])
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, (4, 64))],
        [helper.make_tensor_value_info("y", onnx.TensorProto.INT32, (4, 64))],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "m.onnx")
    code = (
        "import numpy as np, onnxruntime as o\n"
        "for value in ('0', '1'):\n"
        "    s = o.SessionOptions(); s.intra_op_num_threads = 1\n"
        "    s.add_session_config_entry('session.x64quantprecision', value)\n"
        f"    found = o.InferenceSession({str(tmp_path / 'm.onnx')!r}, s)\n"
        "    print(found.run(None, {'x': np.full((4, 64), 255, np.uint8)})[0].max())\n"
    )
    done = subprocess.run([*emulator.launcher, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    saturated, exact = map(int, done.stdout.split())
    assert exact == 64 * 255 * 127
    assert saturated == 32 * 32_767
