"""Commands that look into files, on files that cannot be looked into: one line, exit code 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from crossrt.exporters.errors import ModelError
from crossrt.harness.build import inspecting
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.process.pythons.foreign import open_python

pytestmark = pytest.mark.processes

MODELS = Path(__file__).parents[2] / "data" / "models"
SOUND = MODELS / "conv.int8-io.tflite" / "model.tflite"
FLOAT = MODELS / "conv.fp32.tflite" / "model.tflite"
CONTENT = SOUND.read_bytes()

BAD = {
    "empty.onnx": b"",
    "garbage.onnx": b"\x00garbage" * 100,
    "cut.tflite": CONTENT[: len(CONTENT) // 3],
    "model.txt": b"text",
}
COMMANDS = (
    ("explain", "{}"),
    ("audit", "{}"),
    ("audit", SOUND, "--float", "{}"),
    ("diagnose", "{}", "--float", FLOAT),
    ("robustness", "{}"),
    ("sensitivity", "int8-qdq", "--model", "{}"),
    ("accuracy", "{}"),
    ("inspect", "{}"),
)


def check(done, name):
    code, output, messages = done
    assert code == 2
    assert output == ""
    assert "Traceback" not in messages
    (said,) = [line for line in messages.splitlines() if line.startswith(("crossrt:", "Error:"))]
    assert name in said


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(Path(each).name for each in command))
def test_a_file_that_is_no_model_is_one_line(crossrt, tmp_path, command):
    for name in ("cut.tflite", *(BAD if "inspect" in command else ())):
        (tmp_path / name).write_bytes(BAD[name])
        check(crossrt(*(name if each == "{}" else each for each in command)), name)


def test_a_folder_without_models_is_one_line(crossrt, tmp_path):
    (tmp_path / "nothing").mkdir()
    for command in COMMANDS:
        if "--float" not in command:
            check(crossrt(*("nothing" if each == "{}" else each for each in command)), "nothing")


def test_a_file_that_is_missing_is_said_to_be_missing(crossrt):
    for command in ("audit", "diagnose"):
        code, _, messages = crossrt(command, "mine.onnx")
        assert code == 2
        assert "there is no file mine.onnx" in messages


def test_a_file_that_crashes_whoever_looks_into_it_is_one_line(monkeypatch, tmp_path):
    def crash(path, *, allow_h5):
        raise ChildFailedError("the process was killed by SIGSEGV", "")

    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(inspecting, "_inspected", crash)
    with pytest.raises(ModelError, match=r"model\.tflite cannot be looked into: the process was killed by SIGSEGV"):
        inspecting.inspect_model(SOUND)


def test_a_program_that_is_no_python_is_one_line(tmp_path):
    with pytest.raises(HarnessError) as refused:
        open_python(Path("/bin/ls"), tmp_path)
    assert str(refused.value) == "/bin/ls is not Python 3.11 or newer: it does not run Python code"


def test_files_that_take_other_data_are_named_with_both_signatures(crossrt, tmp_path):
    for name, features in (("narrow", 3), ("wide", 5)):
        shapes = [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["N", features]) for each in "xy"]
        graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", shapes[:1], shapes[1:])
        model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
        onnx.save(model, tmp_path / f"{name}.onnx")
    code, output, _ = crossrt("bench", "--quick", "--rounds", "1", "narrow.onnx", "wide.onnx", "--out", "runs")
    assert code == 1
    said = " ".join(output.split())
    assert "the first model takes x float32 (N, 3), and this one x float32 (N, 5)" in said


def test_a_dimension_of_no_size_is_one_and_no_batch(crossrt, tmp_path):
    shapes = [helper.make_tensor_value_info(each, TensorProto.FLOAT, [0, 3]) for each in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", shapes[:1], shapes[1:])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "none.onnx")
    code, _, messages = crossrt("inspect", "none.onnx")
    assert code == 2
    assert "the input x has the size 0 along its first axis" in messages


def test_a_file_that_was_cut_short_is_said_to_be(crossrt, tmp_path):
    (tmp_path / "cut.tflite").write_bytes(BAD["cut.tflite"])
    assert "it points beyond its end" in crossrt("inspect", "cut.tflite")[2]
