"""Models on corrupted images: over the small models, and the statistics on scores made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.analysis.corruption import CORRUPTIONS, STRENGTHS
from crossrt.core.errors import DataError
from crossrt.core.metric import MetricDefinition
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.harness.analyze.robustness import CLEAN, Robustness, read_images, run_robustness
from crossrt.harness.analyze.robustness_tables import corruption_sheet, mean_change, variant_sheet
from crossrt.harness.build.variant_files import variant_files
from crossrt.harness.measure.settings import Subject
from crossrt.harness.run.prepare import open_project
from crossrt.reports.text.progress import Silent

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("known_files")]

SAMPLES = 200
TOP1 = MetricDefinition(name="top1", label="top-1", unit="share", direction="bigger_is_better", format="percent")
MAE = MetricDefinition(name="mae", label="MAE", unit="error", direction="smaller_is_better")


def scored(wrong, metric=TOP1) -> Robustness:
    """A baseline that scores 1 throughout, and another that scores 0 on some samples, by kind."""
    scores = {"base": {}, "other": {}}
    for kind in (CLEAN, *CORRUPTIONS):
        strengths = 1 if kind == CLEAN else len(STRENGTHS)
        right = np.ones((strengths, SAMPLES))
        changed = right.copy()
        changed[:, list(wrong.get(kind, ()))] = 0
        scores["base"][kind], scores["other"][kind] = right, changed
    return Robustness(samples=SAMPLES, metric=metric, scores=scores, baseline="base")


LABELS = {"base": "fp32", "other": "int8"}


def test_a_sample_counts_once_however_often_it_was_corrupted():
    found = scored({"blur": range(20)})
    change, half = mean_change(found, "other", ["blur"])
    assert change == pytest.approx(-0.1)
    assert half == pytest.approx(2.6 * np.sqrt(0.1 * 0.9 / SAMPLES), rel=0.01)
    none, half = mean_change(found, "other", ["contrast"])
    assert (none, half) == (0, pytest.approx(2.576**2 / 200, rel=1e-3)), "no change among few samples is no certainty"


def test_a_clear_loss_is_coloured_and_the_worst_corruption_named():
    sheet = variant_sheet(scored({"blur": range(60), "shift": [3]}), LABELS)
    assert sheet.title == "Top-1 on 200 samples compared with fp32, in percentage points"
    (row,) = sheet.rows
    assert [cell.text for cell in row][::4] == ["int8", "blur"]
    assert row[1].text == "+0.00 ±3.32"
    assert row[2].text.startswith("-3.05 ±")
    assert (row[1].tone, row[3].tone) == (None, "bad")
    assert row[3].text.startswith("-30.00 ±")


def test_where_less_is_better_a_smaller_value_is_a_gain():
    (row,) = variant_sheet(scored({"blur": range(60)}, MAE), LABELS).rows
    assert row[4].text != "blur"
    assert row[2].tone == "good"
    assert row[2].text.startswith("-0.03")


def test_each_corruption_names_who_loses_most():
    rows = corruption_sheet(scored({"blur": range(60)}), LABELS).rows
    by_kind = {row[0].text: [cell.text for cell in row[1:]] for row in rows}
    assert by_kind[CLEAN] == ["100.00", "+0.00 ±3.32", "int8"]
    assert by_kind["blur"][1].startswith("-30.00 ±")
    assert len(by_kind) == 11


def robust(subject, tmp_path, only=()):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    opened = open_project(subject, scratch)
    files = variant_files(opened, subject, (), only, Silent()).files
    return run_robustness(files, opened, subject, 30, 0, None, Silent())


@pytest.fixture
def data(tmp_path):
    generator = np.random.default_rng(0)
    images = generator.random((40, 28, 28, 1), dtype=np.float32)
    np.savez(tmp_path / "labelled.npz", image=images, labels=np.arange(40) % 10)
    np.savez(tmp_path / "plain.npz", image=images)
    return lambda name: DataRequest(reference=str(tmp_path / f"{name}.npz"))


@pytest.mark.parametrize("pattern", ["int8-io@tflite", "conv.int8-io@tflite", "int8*@tflite", "int8-io.tflite"])
def test_files_are_selected_by_the_names_of_cases_too(folder, tmp_path, data, pattern):
    subject = Subject(artifacts=folder, data=data("plain"))
    files = variant_files(open_project(subject, tmp_path), subject, (), [pattern], Silent()).files
    assert [each.id for each in files] == ["conv.fp32.onnx", "conv.int8-io.tflite"]


@pytest.mark.parametrize(("name", "metric"), [("labelled", "top1"), ("plain", "agreement")])
def test_the_small_models_are_evaluated_on_every_set(folder, tmp_path, data, name, metric):
    found = robust(Subject(artifacts=folder, data=data(name)), tmp_path)
    assert (found.samples, found.metric.name) == (30, metric)
    assert found.scores.keys() == {"conv.fp32.onnx", "conv.fp32.tflite", "conv.int8-io.tflite"}
    assert found.baseline == "conv.fp32.onnx"
    assert all(each["blur"].shape == (5, 30) for each in found.scores.values())
    assert found.scores["conv.fp32.onnx"][CLEAN].shape == (1, 30)
    alike = found.scores["conv.fp32.onnx"]["rotation"] == found.scores["conv.fp32.tflite"]["rotation"]
    assert alike.mean() > 0.99


def test_patterns_choose_files_and_the_baseline_stays(folder, tmp_path, data):
    found = robust(Subject(artifacts=folder, data=data("plain")), tmp_path, ("int8-io",))
    assert found.scores.keys() == {"conv.fp32.onnx", "conv.int8-io.tflite"}


def test_a_file_that_cannot_be_loaded_is_left_out(folder, tmp_path, data):
    path = folder / "conv.int8-io.tflite"
    subject = Subject(artifacts=folder, data=data("plain"))
    opened = open_project(subject, tmp_path)
    files = variant_files(opened, subject, (), (), Silent()).files
    path.write_bytes(path.read_bytes()[:-2500])
    found = run_robustness(files, opened, subject, 10, 0, None, Silent())
    assert found.scores.keys() == {"conv.fp32.onnx", "conv.fp32.tflite"}


def opened(path, **arrays):
    np.savez(path, **arrays)
    return open_dataset(DataRequest(reference=str(path)))


def test_data_that_are_not_images_are_refused(tmp_path):
    rows = opened(tmp_path / "rows.npz", x=np.zeros((5, 7), np.float32))
    with pytest.raises(DataError, match=r"rows.npz cannot be corrupted: x: samples are not images"):
        read_images(rows, 5, None)


def test_arrays_beside_the_images_stay_as_they_are(tmp_path):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 255, (5, 3, 16, 20), dtype=np.uint8)
    age = np.arange(5.0, dtype=np.float32)[:, np.newaxis]
    images = read_images(opened(tmp_path / "two.npz", pixels=pixels, age=age), 4, None)
    assert images.layouts == {"pixels": "channels-first"}
    found = images.corrupted("blur", 3, 0)
    assert found["pixels"].shape == (4, 3, 16, 20)
    assert (found["pixels"] != images.arrays["pixels"]).any()
    np.testing.assert_array_equal(found["age"], images.arrays["age"])
