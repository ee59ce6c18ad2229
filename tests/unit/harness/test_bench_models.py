"""`crossrt bench` and `duel` on models that somebody brings: what runs, what is refused, and in which words."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from crossrt.core.evaluation import Packed
from crossrt.reports.schema.files import read_duel, read_report

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("runtimes_are_remembered")]

SHORT = ("--rounds", 1, "--time", 60)


@pytest.fixture(scope="module")
def inspections(tmp_path_factory, inspected):
    folder = tmp_path_factory.mktemp("cache")
    (folder / "inspections").symlink_to(inspected)
    return folder


@pytest.fixture(autouse=True)
def own_cache(inspections, monkeypatch):
    """All tests of this module share what was found out about the same files."""
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(inspections))


@pytest.fixture
def report(crossrt, tmp_path):
    """Runs a short bench and reads its report."""

    def run(*arguments, code=0):
        done = crossrt("bench", *arguments, *SHORT)
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        (path,) = tmp_path.glob("results/*/report.json")
        assert f"report: results/{path.parent.name}/report.json" in done.stdout
        return read_report(path), done

    return run


def write(path, **arrays):
    np.savez(path, allow_pickle=False, **arrays)
    return path


@pytest.mark.parametrize(
    ("name", "batch_size", "inputs"),
    [
        ("pair.fp32.onnx", 1, ["left", "right"]),
        ("pair.fp32.tflite", 1, ["left", "right"]),
        ("fixed.fp32.onnx", 4, ["x"]),
        ("signal.fp32.tflite", 1, ["x"]),
        ("state.fp32.onnx", 1, ["x", "state"]),
        ("image.fp32.onnx", 1, ["image"]),
    ],
)
def test_a_model_without_data_is_run_on_random_inputs(model, report, name, batch_size, inputs):
    found, done = report(model(name))
    (result,) = found.results
    assert (result.status, result.batch_size) == ("ok", batch_size)
    assert [each.name for each in found.data.inputs] == inputs
    assert (found.data.is_random, found.data.samples) == (True, 64)
    assert "random" in done.stdout.lower()
    assert result.rounds


def test_integers_and_a_dimension_that_is_not_the_batch_come_from_data(model, report):
    path = model("tokens.int64.onnx")
    found, _ = report(path, "--data", path.with_suffix(".npz"), "--batch", 1, "--batch", 3)
    assert [(each.batch_size, each.status) for each in found.results] == [(1, "ok"), (3, "ok")]
    assert list(found.dimensions.values()) == [np.load(path.with_suffix(".npz"))["tokens"].shape[1]]
    assert len({each.evaluation.answers_sha256 for each in found.results}) == 1
    assert not found.data.is_random


def test_a_dimension_that_is_not_bound_is_told_with_the_option(model, crossrt):
    done = crossrt("bench", model("tokens.int64.onnx"))
    assert done.returncode == 2
    assert "--dim " in done.stderr
    assert "Traceback" not in done.stderr


def test_two_files_and_formats_are_compared_with_the_first(report, model, data):
    files = model("conv.fp32.tflite", "first.tflite"), model("conv.fp32.onnx", "second.onnx")
    found, _ = report(*files, "--data", data)
    assert [each.case for each in found.results] == ["first.second@ort-cpu/b1/t1", "first.first@tflite/b1/t1"]
    assert found.reference == "first on tflite"
    assert found.task == "classification"
    assert {each.evaluation.values["agreement"] for each in found.results} == {1.0}
    assert {each.evaluation.values["top1"] for each in found.results} == {1.0}


def test_data_that_fit_the_first_file_only_make_the_second_a_failed_row(report, model):
    files = model("image.fp32.onnx", "a.onnx"), model("pair.fp32.onnx", "b.onnx")
    found, _ = report(*files, "--data", files[0].with_suffix(".npz"), code=1)
    first, second = found.results
    assert (first.status, second.status) == ("ok", "failed")
    assert "left" in second.reason
    assert "image" in second.reason


def test_the_first_file_is_the_reference_whatever_runs_first(report, model, data):
    files = model("conv.int8-io.tflite", "small.tflite"), model("conv.fp32.onnx", "large.onnx")
    found, _ = report(*files, "--data", data)
    assert found.reference == "small on tflite"


def test_a_reference_near_chance_is_a_caution_on_top(report, model, samples, tmp_path):
    shuffled = np.random.default_rng(3).integers(0, 10, 64)
    path = write(tmp_path / "d.npz", image=samples["image"], labels=shuffled)
    found, done = report(model("conv.fp32.onnx"), "--data", path)
    assert found.cautions
    assert "most frequent class" in found.cautions[0]
    assert "CAUTION" in done.stderr


def test_labels_are_kept_for_judging_again(report, model, data, samples):
    found, _ = report(model("conv.fp32.onnx"), "--data", data)
    assert isinstance(found.data.labels, Packed)
    assert found.data.labels.unpack().tolist() == samples["labels"].tolist()
    assert found.cautions == ()


def test_a_batch_size_that_a_fixed_file_cannot_run_is_a_row_that_says_so(report, model):
    found, _ = report(model("fixed.fp32.onnx"), "--batch", 3, code=1)
    (result,) = found.results
    assert result.status in ("skipped", "failed")
    assert "the model has a fixed batch of 4: batch size 3 cannot be run; use --batch 4" in result.reason


def test_samples_that_are_no_whole_batches_are_all_answered(report, model):
    path = model("fixed.fp32.onnx")
    x = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    found, _ = report(path, "--data", write(path.with_suffix(".npz"), x=x))
    assert found.results[0].evaluation.samples == 7


def rows(image, **more):
    return {"image": image, **more}


def images(count=8, dtype=np.float32):
    return np.random.default_rng(0).random((count, 28, 28, 1)).astype(dtype)


NAN = images()
NAN[3, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("arrays", "messages"),
    [
        ({"image": images(), "extra": images()}, ["extra"]),
        ({"labels": np.zeros(8, np.int64)}, ["bad.npz holds no array that could feed a model"]),
        ({"image": images()[..., 0]}, ["(28, 28)", "(28, 28, 1)"]),
        ({"image": images(dtype=np.float64)}, ["float64", "float32"]),
        ({"image": images().astype(np.uint8)}, ["uint8", "float32"]),
        ({"image": images()[:0]}, ["no samples"]),
        ({"image": images(), "labels": np.zeros(7, np.int64)}, ["7", "8"]),
        ({"image": images(), "labels": np.full(8, 10, np.int64)}, ["10"]),
        ({"image": images(), "labels": np.full(8, -1, np.int64)}, ["-1"]),
        ({"image": NAN}, ["'image' holds NaN, first in sample 3"]),
    ],
    ids=["extra", "missing", "rank", "float64", "uint8", "empty", "labels", "too-large", "negative", "nan"],
)
def test_data_that_do_not_fit_are_one_message_that_names_what_was_found(crossrt, model, tmp_path, arrays, messages):
    done = crossrt("bench", model("conv.fp32.onnx"), "--data", write(tmp_path / "bad.npz", **arrays), *SHORT)
    assert done.returncode == 2, done.stdout
    assert all(message in done.stderr for message in messages), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("crossrt: ")]
    assert len(errors) == 1


def test_objects_in_data_are_refused_and_never_unpickled(crossrt, model, tmp_path):
    np.savez(tmp_path / "bad.npz", image=np.array([{"a": 1}] * 8, dtype=object))
    done = crossrt("bench", model("conv.fp32.onnx"), "--data", "bad.npz", *SHORT)
    assert done.returncode == 2
    assert "object" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("data", ["missing.npz", "nonesuch:load", "random:"])
def test_data_that_are_not_there_are_named(crossrt, model, data):
    done = crossrt("bench", model("conv.fp32.onnx"), "--data", data, *SHORT)
    assert done.returncode == 2
    assert data.rstrip(":") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_task_that_does_not_exist_is_named_with_those_that_do(crossrt, model, data):
    done = crossrt("bench", model("conv.fp32.onnx"), "--data", data, "--task", "clasification", *SHORT)
    assert done.returncode == 2
    assert "clasification" in done.stderr
    assert "classification" in done.stderr.replace("clasification", "")


def test_a_run_ends_when_its_time_is_over(crossrt, model, tmp_path):
    done = crossrt("bench", model("image.fp32.onnx"), "--rounds", 500, "--time", 5)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("results/*/report.json")
    found = read_report(path)
    assert found.run.settings.time_budget_s == 5
    assert len(found.results[0].rounds) < 100  # all would take minutes
    assert found.run.status == "complete"


def test_two_files_are_compared_side_by_side(crossrt, model, tmp_path, short_duels):
    files = model("conv.fp32.onnx", "a.onnx"), model("conv.fp32.onnx", "b.onnx")
    done = crossrt("duel", *files, "--budget", 1, "--margin", "1000%")
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("results/*/duel.json")
    found = read_duel(path)
    assert [found.a.result.case, found.b.result.case] == ["a.a@ort-cpu/b1/t1", "a.b@ort-cpu/b1/t1"]
    assert {each.name for each in path.parent.iterdir()} == {"a.json", "b.json", "duel.json"}
    assert read_report(path.with_name("a.json")).results[0].status == "ok"


def test_different_networks_are_not_compared_and_it_is_said_what_to_do(crossrt, model, tmp_path):
    path = model("conv.fp32.onnx", "a.onnx")
    other = onnx.load(path)
    for tensor in other.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    onnx.save(other, tmp_path / "b.onnx")
    done = crossrt("duel", "a.onnx", "b.onnx", "--budget", 1)
    assert done.returncode == 1
    assert "crossrt: B (b.onnx on ort-cpu) failed: answers " in done.stderr
    assert "The reference is a on ort-cpu: a ratio of times says something where both sides are the same" in done.stderr
    assert "measure different ones with crossrt bench, one by one" in done.stderr


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (["a.onnx", "fp32@ort-cpu"], "A is a file and B is a case, or the other way round"),
        (["a.onnx", "missing.onnx"], "'missing.onnx' is neither a file nor written like a case"),
        (["a.onnx@tflite", "a.onnx@ort-cpu"], "there is no case 'a.onnx@tflite'; available: fp32@ort-cpu"),
        (["a.onnx", "a.onnx", "--model", "b.onnx"], "leave out --model"),
    ],
)
def test_sides_that_make_no_sense_are_one_message(crossrt, model, sides, message):
    model("conv.fp32.onnx", "a.onnx")
    done = crossrt("duel", *sides, "--budget", 1)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_data_of_a_configuration_that_do_not_fit_are_said_to_come_from_it(crossrt, model, tmp_path):
    write(tmp_path / "test.npz", nonesuch=np.ones((4, 3), "float32"))
    (tmp_path / "crossrt.toml").write_text('[data]\npath = "test.npz"\n')
    done = crossrt("bench", model("fixed.fp32.onnx"))
    assert done.returncode == 2
    assert "crossrt: data from crossrt.toml: " in done.stderr


def test_only_of_a_configuration_that_selects_no_case_of_a_named_model_is_ignored(report, model, tmp_path):
    (tmp_path / "crossrt.toml").write_text('[bench]\nonly = ["nonesuch"]\n')
    found, done = report(model("fixed.fp32.onnx"))
    assert [each.status for each in found.results] == ["ok"]
    assert "nonesuch of the configuration selects no case of this model: all are taken" in done.stderr


def test_calibration_data_of_a_configuration_are_opened_for_what_is_calibrated_alone(report, crossrt, model, tmp_path):
    (tmp_path / "crossrt.toml").write_text('[calibration]\npath = "gone.npz"\n')
    path = model("conv.fp32.onnx", "own.onnx")
    done = crossrt("bench", path)
    assert done.returncode == 2
    assert "crossrt: calibration data from crossrt.toml: " in done.stderr
    found, _ = report(path, "--only", "fp32")
    assert [(each.variant, each.status) for each in found.results] == [("fp32", "ok")]
    done = crossrt("bench", path, "--only", "fp32", "--calibration", "gone.npz")
    assert done.returncode == 2
    assert "gone.npz" in done.stderr
