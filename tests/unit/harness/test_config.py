"""Configuration files: found by themselves, paths beside the file, and the command line wins."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from crossrt.cli.commands.duel import _settings as duel_settings
from crossrt.cli.commands.duel import duel
from crossrt.cli.shared.config import config_option, nearest
from crossrt.cli.shared.options import measuring_options, models_argument, subject_from, subject_options
from crossrt.core.errors import CrossrtError


@click.command()
@models_argument
@click.option("--quick", is_flag=True)
@click.option("--batch", multiple=True, type=int)
@subject_options
@measuring_options
@config_option()
def bench(models, quick, batch, threads, io, timeout, memory_limit, seed, **subject):
    return subject_from(models=models, seed=seed, **subject), quick, batch, threads


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in a folder of the test; gives the subject and some other options."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()

    def call(*arguments):
        with bench.make_context("bench", list(arguments)) as context:
            return bench.invoke(context)

    return call


def write(text, path="crossrt.toml"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


WHOLE = """
[model]
path = "net.onnx"
dimensions = { seq = 128 }
[data]
path = "test.npz"
labels = "labels.npy"
samples = 50
[calibration]
path = "train.npz"
[task]
name = "classification"
[bench]
quick = true
batch = [1, 8]
threads = 2
"""


def test_a_configuration_is_found_and_said(run, capsys):
    write(WHOLE)
    subject, quick, batch, threads = run()
    assert (quick, batch, threads) == (True, (1, 8), 2)
    assert subject.models == (Path("net.onnx"),)
    assert (subject.data.reference, subject.data.labels, subject.samples) == ("test.npz", "labels.npy", 50)
    assert (subject.calibration.reference, subject.task) == ("train.npz", "classification")
    assert subject.dimensions == {"seq": 128}
    assert capsys.readouterr().err.startswith("crossrt: options from ")


def test_a_table_of_the_users_project_file_is_found(run):
    write(
        '[project]\nname = "x"\n[tool.crossrt.data]\npath = "test.npz"\n[tool.crossrt.bench]\nthreads = 3\n',
        "pyproject.toml",
    )
    subject, _, _, threads = run()
    assert (subject.data.reference, threads) == ("test.npz", 3)


@pytest.mark.parametrize("text", ["[project]\nname = 'x'\n", "not toml", "tool = 3\n"])
def test_a_project_file_without_such_a_table_is_passed_over(run, text):
    write(text, "pyproject.toml")
    assert nearest() is None
    assert run()[3] == 1


def test_a_file_of_its_own_is_preferred(run):
    write("[tool.crossrt.bench]\nthreads = 3\n", "pyproject.toml")
    write("[bench]\nthreads = 2\n")
    assert run()[3] == 2


def test_the_nearest_folder_above_counts_and_paths_are_relative_to_the_file(run, tmp_path, monkeypatch):
    write(WHOLE)
    for name in ("net.onnx", "test.npz", "labels.npy", "train.npz"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    subject = run()[0]
    assert subject.models == (tmp_path / "net.onnx",)
    assert subject.data.reference == str(tmp_path / "test.npz")
    assert subject.data.labels == str(tmp_path / "labels.npy")
    assert subject.calibration.reference == str(tmp_path / "train.npz")


def test_a_function_in_a_file_beside_the_configuration_is_found_too(run, tmp_path, monkeypatch):
    write('[data]\npath = "data.py:load"\n')
    write("", "data.py")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert run()[0].data.reference == f"{tmp_path / 'data.py'}:load"


def test_a_name_that_is_not_a_file_stays_a_name(run):
    write('[data]\npath = "mnist"\nsplit = "test"\n')
    data = run()[0].data
    assert (data.reference, data.split) == ("mnist", "test")


def test_nothing_above_the_repository_is_read(run, tmp_path, monkeypatch):
    write(WHOLE)
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repository")
    assert nearest() is None
    assert run()[0].data is None


def test_the_command_line_wins(run):
    write(WHOLE)
    subject, _, batch, threads = run("--threads", "1", "--batch", "4", "--data", "other.npz", "--dim", "seq=9")
    assert (batch, threads) == ((4,), 1)
    assert subject.data.reference == "other.npz"
    assert subject.models == (Path("net.onnx"),)
    assert subject.dimensions == {"seq": 9}


@pytest.mark.parametrize("named", ["net.onnx", "./net.onnx", "another.onnx"])
def test_data_and_task_of_a_configuration_are_used_for_any_model(run, named):
    write(WHOLE)
    subject, quick, _, _ = run(named)
    assert subject.models == (Path(named),)
    assert (subject.data.reference, subject.data.labels, subject.samples) == ("test.npz", "labels.npy", 50)
    assert (subject.calibration.reference, subject.task) == ("train.npz", "classification")
    assert quick


@pytest.mark.parametrize(("named", "dimensions"), [("./net.onnx", {"seq": 128}), ("another.onnx", {})])
def test_dimensions_of_a_configuration_are_used_for_its_own_model_alone(run, named, dimensions):
    write(WHOLE)
    assert run(named)[0].dimensions == dimensions


def test_dimensions_of_a_configuration_that_names_no_model_are_used_for_any(run):
    write("[model]\ndimensions = { seq = 128 }\n")
    assert run("another.onnx")[0].dimensions == {"seq": 128}


def test_a_folder_of_artifacts_of_a_configuration_is_not_used_for_another_model(run, tmp_path):
    (tmp_path / "lab").mkdir()
    write('[model]\nartifacts = "lab"\ndimensions = { seq = 128 }\n')
    subject = run("another.onnx")[0]
    assert (subject.models, subject.artifacts, subject.dimensions) == ((Path("another.onnx"),), None, {})
    assert run()[0].artifacts == tmp_path / "lab"


def test_where_data_come_from_is_known(run):
    write(WHOLE)
    subject = run("another.onnx", "--calibration", "other.npz")[0]
    assert (subject.data_origin, subject.calibration_origin) == ("crossrt.toml", None)


@pytest.mark.parametrize(
    ("sides", "models", "dimensions"),
    [
        (("a.onnx", "b.onnx"), (), {}),
        (("net.onnx", "./net.onnx@ort-cpu"), (), {"seq": 128}),
        (("fp32@ort-cpu", "int8@tflite"), (Path("net.onnx"),), {"seq": 128}),
    ],
)
def test_sides_of_a_duel_are_models_too(run, sides, models, dimensions, tmp_path):
    write(WHOLE)
    for name in ("a.onnx", "b.onnx", "net.onnx"):
        (tmp_path / name).write_bytes(b"")
    with duel.make_context("duel", list(sides)) as context:
        options = {name: value for name, value in context.params.items() if name not in ("out", "as_json")}
        subject = duel_settings(**options).run.subject
    assert [each.resolve() for each in subject.models] == [each.resolve() for each in models]
    assert (subject.data.reference, subject.task, subject.dimensions) == ("test.npz", "classification", dimensions)


def test_data_on_the_command_line_are_used_for_another_model(run):
    write(WHOLE)
    subject = run("another.onnx", "--data", "other.npz")[0]
    assert subject.data.reference == "other.npz"
    assert subject.data.labels is None


def test_labels_of_a_configuration_are_not_used_for_other_data(run):
    write(WHOLE)
    subject = run("--data", "other.npz")[0]
    assert (subject.data.reference, subject.data.labels, subject.samples) == ("other.npz", None, None)
    assert subject.task == "classification"


def test_a_folder_of_artifacts_stands_for_the_model_of_a_configuration(run, tmp_path):
    write(WHOLE)
    subject = run("--artifacts", str(tmp_path))[0]
    assert (subject.models, subject.artifacts) == ((), tmp_path)
    assert subject.data.reference == "test.npz"


def test_a_named_file_is_read_in_place_of_the_found_one(run):
    write(WHOLE)
    write("[bench]\nthreads = 5\n", "other.toml")
    subject, _, _, threads = run("--config", "other.toml")
    assert (subject.data, threads) == (None, 5)


def test_several_models_are_a_list(run):
    write('[model]\npath = ["a.onnx", "b.onnx"]\n')
    assert run()[0].models == (Path("a.onnx"), Path("b.onnx"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[data]\npaht = "x"\n', "sets 'paht' in [data], which is not an option; did you mean 'path'?"),
        ('[data]\nzzz = "x"\n', "sets 'zzz' in [data], which is none of: classes, labels, path, samples, split"),
        ('data = "x"\n', "data is not a table: write [data]"),
        ("bench = 3\n", "bench is not a table: write [bench]"),
        ("[data]\npath = 3\n", "sets path of [data] to 3: text is expected"),
        ("[data]\npath = []\n", "sets path of [data] to []: text is expected"),
        ('[data]\npath = ["a.npz", "b.npz"]\n', "text is expected"),
        ('[data]\nsamples = "many"\n', "sets samples of [data] to 'many': a number is expected"),
        ("[model]\ndimensions = 3\n", "sets dimensions of [model] to 3: a table of sizes is expected"),
        ('[model]\nallow-h5 = "yes"\n', "true or false is expected"),
        ("[bench]\nthreds = 3\n", "sets 'threds', which is not an option; did you mean 'threads'?"),
        ("[bench\n", "is not valid TOML"),
    ],
)
def test_mistakes_are_named(run, text, message):
    write(text)
    with pytest.raises(click.UsageError) as error:
        run()
    assert message in error.value.format_message()


@pytest.mark.parametrize(
    "text", ["[bench]\nthreads = 0\n", "[model]\ndimensions = { seq = 0 }\n", "[data]\nsamples = 0\n"]
)
def test_values_are_checked_like_those_of_the_command_line(run, text):
    write(text)
    with pytest.raises(click.UsageError):
        run()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('calibraton = { path = "x" }\n', "sets 'calibraton', which is not a table"),
        ("[bnech]\nquick = true\n", "did you mean 'bench'?"),
        ('"x\\u001b[31m" = 1\n', r"sets 'x\x1b[31m', which is none of:"),
        ("[data]\na = " + "[" * 100_000, "nested too deeply"),
    ],
)
def test_names_that_no_command_knows_and_endless_nesting_are_refused(run, text, message, monkeypatch):
    from crossrt.cli.main import cli

    write(text)
    with cli.make_context("crossrt", ["bench", "net.onnx"]) as context, pytest.raises(click.UsageError) as error:
        cli.invoke(context)
    assert message in error.value.format_message()


def test_tables_of_other_commands_and_of_groups_are_left_to_them(run):
    from crossrt.cli.main import cli

    write("[duel]\nrounds = 4\n[gate]\nlast = 3\n[quantize]\n")
    arguments = ["compare", "a.json", "b.json"]
    with cli.make_context("crossrt", arguments) as context, pytest.raises(CrossrtError, match=r"a\.json"):
        cli.invoke(context)
