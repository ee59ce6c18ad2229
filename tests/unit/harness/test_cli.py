"""The command line from outside: messages, exit codes, and what is imported when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.harness.process.probe import RuntimeInfo

pytestmark = pytest.mark.processes

DATA = Path(__file__).parents[2] / "data"
MAIN = "import sys; from crossrt.cli.main import main; sys.exit(main())"
REPORT = DATA / "report-v1.json"
HEAVY = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "ai_edge_litert")


@pytest.fixture(scope="module")
def inspections(tmp_path_factory, inspected):
    folder = tmp_path_factory.mktemp("cache")
    (folder / "inspections").symlink_to(inspected)
    return folder


@pytest.fixture(autouse=True)
def own_cache(inspections, monkeypatch):
    """All tests of this module share what was found out about the same files, for the bundled one by TensorFlow."""
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(inspections))


def crossrt(*arguments, cwd):
    command = [sys.executable, "-P", "-c", MAIN, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=1200)


def imported_by(*arguments, cwd):
    source = (
        "import sys, contextlib, io\nfrom crossrt.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main()\nprint(*sys.modules)"
    )
    command = [sys.executable, "-P", "-c", source, *map(str, arguments)]
    return set(subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("command", [["--help"], ["bench", "--help"], ["show", REPORT], ["runtimes", "--help"]])
def test_help_and_show_import_neither_tensorflow_nor_a_runtime(tmp_path, command):
    assert not imported_by(*command, cwd=tmp_path) & set(HEAVY)


@pytest.mark.parametrize("command", ["bench", "report"])
def test_help_imports_neither_numpy_nor_scipy(tmp_path, command):
    assert not imported_by(command, "--help", cwd=tmp_path) & {"numpy", "scipy", "pyarrow", "msgspec"}


@pytest.mark.parametrize("command", ["bench", "export", "qat", "report", "runtimes", "show", "train"])
def test_every_command_explains_itself(tmp_path, command):
    done = crossrt(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5
    assert "\\b" not in done.stdout
    assert command in crossrt("--help", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "--threads", "0"], "'0' is not a valid number above 0"),
        (["bench", "--batch", "many"], "'many' is not a valid number above 0"),
        (["bench", "--timeout", "nan"], "nan is not a finite number"),
        (["bench", "--min-agreement", "nan"], "nan is not a finite number"),
        (["bench", "--memory-limit", "99999999999999999999"], "is not in the range"),
        (["bench", "x.keras", "--artifacts", "."], "exclude each other"),
        (["bench", "--io", "int4"], "'int4' is not one of"),
        (["bench", "--bathc", "1"], "No such option"),
        (["bench", "--runtime", "nonesuch"], "there is no runtime 'nonesuch'; available: ort-cpu"),
        (["bench", "--runtime", "ort-gpu"], "there is no runtime 'ort-gpu' (did you mean 'ort-cpu'?)"),
        (["bench", "--task", "clasification"], "(did you mean 'classification'?)"),
        (["quantize", "--task", "clasification"], "(did you mean 'classification'?)"),
        (["bench", "--only", "nonesuch"], "selects no case"),
        (["bench", "--baseline", "nonesuch"], "not among the cases of this run"),
        (["bench", "missing.keras"], "missing.keras"),
        (["bench", "--labels", "y.npy"], "--labels goes with --data"),
        (["bench", "--classes", "cat,dog"], "--classes goes with --data"),
        (["bench", "--dim", "seq"], "is not written NAME=SIZE, such as seq=128"),
        (["bench", "--dim", "seq=0"], "the size of 'seq' is 0: a dimension has at least 1 element"),
        (["bench", "--dim", "seq=4", "--dim", "seq=8"], "'seq' is given twice, as 4 and as 8: give one size"),
        (["inspect", ""], "the path is empty: give a model file"),
        (["bench", ""], "the path is empty: give a model file"),
        (["bench", "--time", "1"], "is not in the range"),
        (["bench", "--time", "1d"], "'1d' is not a time: write it like 90, 90s, 10m or 1h"),
        (["bench", "--artifacts", "."], "holds no artifacts"),
        (["export", "--only", "nonesuch"], "selects no artifact"),
        (["show", "missing.json"], "missing.json does not exist: name a report.json or the folder of a run"),
        (["train", "--out", "model.h5"], "does not end in .keras"),
        (["nonesuch"], "No such command"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(crossrt, arguments, message):
    done = crossrt(*arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_damaged_keras_file_is_refused(tmp_path, content):
    (tmp_path / "model.keras").write_bytes(content)
    done = crossrt("bench", "model.keras", cwd=tmp_path)
    assert done.returncode == 2
    assert "model.keras" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_folder_that_is_a_file_is_found_out_before_anything_is_measured(tmp_path):
    (tmp_path / "results").write_text("in the way")
    done = crossrt("bench", "--out", "results/here", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_missing_training_data_is_refused(tmp_path):
    done = crossrt("train", "--data", tmp_path, "--epochs", 1, cwd=tmp_path)
    assert done.returncode == 2
    assert "train-images-idx3-ubyte.gz" in done.stderr
    assert not (tmp_path / "results" / "mnist-cnn.keras").exists()


def test_damaged_report_is_refused(tmp_path):
    (tmp_path / "report.json").write_bytes(REPORT.read_bytes()[:-100])
    done = crossrt("show", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert "report.json" in done.stderr


def test_details_of_a_case_show_its_confusion_matrix(tmp_path):
    done = crossrt("show", REPORT, "--case", "int8-qdq@ort-cpu/b1", cwd=tmp_path)
    assert "confusion matrix" in done.stdout


def test_options_of_a_toml_file_count_and_the_command_line_wins(tmp_path):
    (tmp_path / "crossrt.toml").write_text('[bench]\nbatch = [1, 8]\nruntime = "nonesuch"\nmin-agreement = 0.5\n')
    assert "no runtime 'nonesuch'" in crossrt("bench", "--config", "crossrt.toml", cwd=tmp_path).stderr
    other = crossrt("bench", "--config", "crossrt.toml", "--runtime", "other", cwd=tmp_path)
    assert "no runtime 'other'" in other.stderr


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[bench]\nbacth = 1\n", "did you mean 'batch'"),
        ("[bench]\nthreads = 'two'\n", "'two' is not a valid number above 0"),
        ("[bench]\nthreads = 1.9\n", "threads to 1.9: a whole number is expected"),
        ("[bench]\nthreads = true\n", "a whole number is expected"),
        ("[bench]\nout = 5\n", "text is expected"),
        ("[bench]\nquick = 7\n", "true or false is expected"),
        ("[bench]\nbatch = [[1]]\n", "a whole number is expected"),
        ("[bench]\nbatch = []\n", "an empty list selects nothing"),
        ("[bench]\ntimeout = nan\n", "not a finite number"),
        ("[export]\n", "no table [bench], nor any of: model, data, calibration, task"),
        ("bench", "not valid TOML"),
    ],
)
def test_mistakes_in_a_toml_file_are_named(tmp_path, toml, message):
    (tmp_path / "crossrt.toml").write_text(toml)
    done = crossrt("bench", "--config", "crossrt.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def crossrt_with(variables, *arguments, cwd, stdout=subprocess.PIPE):
    command = [sys.executable, "-P", "-c", MAIN, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, stdout=stdout, stderr=subprocess.PIPE, timeout=1200, env={**os.environ, **variables}
    )


def test_report_is_saved_even_if_it_cannot_be_printed(tmp_path, folder):
    arguments = ("bench", "--artifacts", folder, "--only", "fp32@ort", "--batch", 1, "--rounds", 1)
    with Path("/dev/full").open("wb") as full:
        done = crossrt_with({}, *arguments, cwd=tmp_path, stdout=full)
    assert b"Traceback" not in done.stderr
    assert len(list(tmp_path.glob("results/*/report.json"))) == 1


def test_terminal_that_knows_ascii_only_gets_the_tables(tmp_path):
    done = crossrt_with({"PYTHONIOENCODING": "ascii"}, "show", REPORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"int8-qdq@ort-cpu" in done.stdout


def test_files_of_other_tools_are_utf_8_whatever_the_terminal_knows(tmp_path):
    (tmp_path / "report.json").write_text(REPORT.read_text().replace('"AMD EPYC"', '"µ-CPU"'), encoding="utf-8")
    done = crossrt_with({"PYTHONIOENCODING": "ascii"}, "report", "report.json", "--to", "csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "µ-CPU" in done.stdout.decode()


def test_run_without_a_usable_runtime_names_the_install_command(tmp_path, folder):
    absent = tmp_path / "absent" / "onnxruntime"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ModuleNotFoundError('gone', name='onnxruntime')\n")
    arguments = ("bench", "--artifacts", folder, "--runtime", "ort-cpu")
    done = crossrt_with({"PYTHONPATH": str(absent.parent)}, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert b"no runtime can be used: ort-cpu: onnxruntime is not installed: " in done.stderr
    assert done.stderr.endswith(b" install onnxruntime\n")


def test_reader_that_leaves_early_is_not_a_verdict(tmp_path):
    command = [sys.executable, "-P", "-c", MAIN, "compare", str(REPORT), str(REPORT), "--all"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("variables", [{"COLUMNS": "0"}, {"COLUMNS": "3"}])
def test_terminal_without_width_gets_the_tables(tmp_path, variables):
    done = crossrt_with(variables, "show", REPORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"fp32@ort-cpu" in done.stdout.replace(b"\n", b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion_script(crossrt, shell):
    done = crossrt(_CROSSRT_COMPLETE=f"{shell}_source")
    assert done.returncode == 0
    assert "_CROSSRT_COMPLETE=" in done.stdout
    assert "Usage" not in done.stdout


@pytest.mark.parametrize(("words", "offered"), [("crossrt ben", "bench"), ("crossrt bench --agai", "--against")])
def test_commands_and_options_are_completed(crossrt, words, offered):
    done = crossrt(_CROSSRT_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    assert offered in done.stdout


def test_another_shell_than_those_is_refused(crossrt):
    assert crossrt(_CROSSRT_COMPLETE="tcsh_source").returncode != 0


@pytest.mark.usefixtures("without_tensorflow")
def test_another_build_of_a_runtime_is_named(crossrt, monkeypatch):
    found = {"onnxruntime": {"onnxruntime": "1.30", "onnxruntime-gpu": "1.31.1"}}
    monkeypatch.setattr("crossrt.core.install.installed_builds", lambda package: found.get(package, {}))
    text = " ".join(crossrt("runtimes", COLUMNS="200").stdout.split())
    assert "(onnxruntime-gpu) onnx ready" in text
    assert "ort-cpu: onnxruntime and onnxruntime-gpu overwrite each other's files" in text
    monkeypatch.setattr("crossrt.core.install.installed_builds", lambda _: {"onnxruntime-gpu": "1.31.1"})
    assert "overwrite" not in crossrt("runtimes").stdout


def test_commands_that_install_runtimes_are_lines_of_their_own_below_a_table_that_fits(crossrt, monkeypatch):
    lacks = {"version": None, "formats": ("onnx",)}
    command = f"'/{100 * 'a'} b/python' -m pip install"
    said = "onnxruntime 1.31.1 is built without OpenVINOExecutionProvider: uninstall it, then"
    found = [
        RuntimeInfo(name="ort-cpu", version="1.31.1", formats=("onnx",)),
        RuntimeInfo(name="tract", problem=f"tract is not installed: {command} tract", is_installed=False, **lacks),
        RuntimeInfo(name="ort-openvino", problem=f"{said} {command} onnxruntime-openvino", is_installed=False, **lacks),
        RuntimeInfo(name="keras", problem="keras needs the module x", **lacks),
    ]
    monkeypatch.setattr("crossrt.harness.process.probe.probe_runtimes", lambda _: found)
    lines = crossrt("runtimes", COLUMNS="60").stdout.splitlines()
    states = ["ready", "not installed", "not installed", "cannot be used"]
    assert [line.rpartition("  ")[2] for line in lines[2:6]] == states
    assert f"  {command} onnxruntime-openvino" in lines
    assert lines[lines.index(f"  {command} tract") - 1] == "tract is not installed:"
    assert "keras needs the module x" in lines
    (table,) = json.loads(crossrt("runtimes", "--json").stdout)["tables"]
    assert table["rows"][1][-1] == f"tract is not installed: {command} tract"
