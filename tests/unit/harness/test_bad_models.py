"""Commands that look into files, on files that cannot be looked into: one line, exit code 2, no traceback."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from crossrt.exporters.errors import ModelError
from crossrt.harness.build import inspecting
from crossrt.harness.cli.main import main
from crossrt.harness.errors import ChildFailedError

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


@pytest.fixture
def crossrt(tmp_path, monkeypatch, capfd):
    """Runs a command in this process; gives exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(tmp_path / "cache"))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crossrt", *map(str, arguments)])
        code = main()
        return code, *capfd.readouterr()

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


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


def test_a_file_that_was_cut_short_is_said_to_be(crossrt, tmp_path):
    (tmp_path / "cut.tflite").write_bytes(BAD["cut.tflite"])
    assert "it points beyond its end" in crossrt("inspect", "cut.tflite")[2]
