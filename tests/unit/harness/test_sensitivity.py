"""What is read from one recipe over several sets of samples."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.core.evaluation import Evaluation, OutputError
from crossrt.core.metric import MetricDefinition
from crossrt.datasets.opening import DataRequest
from crossrt.harness.analyze.sensitivity import Calibrated, Sensitivity, answers_sheet, run_sensitivity, scales_sheet
from crossrt.harness.build.subject import Target
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject
from crossrt.reports.text.progress import Silent

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("known_files")]

TOP1 = MetricDefinition(name="top1", label="top-1", unit="share", direction="bigger_is_better", format="percent")


def calibrated(seed, top1, sqnr_db, **scales):
    errors = (OutputError(output="scores", max_abs=0.1, mean_abs=0.1, sqnr_db=sqnr_db),)
    evaluation = Evaluation(task="mine", samples=100, values={"top1": top1}, outputs=errors)
    return Calibrated(seed=seed, evaluation=evaluation, scales=scales)


def sensitivity(*found, metric=TOP1):
    return Sensitivity(model="net", metric=metric, calibrated=found)


def test_spread_is_the_standard_deviation_over_the_sets():
    sheet = answers_sheet(sensitivity(calibrated(0, 0.99, 30.0), calibrated(1, 0.97, 34.0)))
    assert sheet.columns == ("calibrated with", "top-1 %", "agreement %", "outputs dB")
    assert [cell.text for cell in sheet.rows[0]] == ["seed 0", "99.00", "-", "30.0"]
    assert [cell.text for cell in sheet.rows[-1]] == ["standard deviation", "1.41", "0.00", "2.8"]


@pytest.mark.parametrize("name", ["agreement", None])
def test_without_a_metric_of_its_own_a_task_has_no_column(name):
    metric = (
        None if name is None else MetricDefinition(name=name, label=name, unit="share", direction="bigger_is_better")
    )
    sheet = answers_sheet(sensitivity(calibrated(0, 1.0, None), metric=metric))
    assert sheet.columns == ("calibrated with", "agreement %", "outputs dB")
    assert [cell.text for cell in sheet.rows[0]] == ["seed 0", "-", "exact"]


def test_scales_that_differ_most_come_first():
    found = sensitivity(calibrated(0, 1, None, a=1.0, b=1.0, c=2.0), calibrated(1, 1, None, a=1.1, b=1.5))
    rows = scales_sheet(found).rows
    assert [row[0].text for row in rows] == ["b", "a"]
    assert [cell.text for cell in rows[0][1:]] == ["1", "1.25", "1.5", "50.0"]


@pytest.mark.parametrize(
    ("variant", "message"),
    [("w4", "w4.onnx is not calibrated"), ("int8*", "names several recipes: choose one of int8-qdq.onnx")],
)
def test_what_depends_on_no_samples_is_refused(tmp_path, variant, message):
    target = Target(name=variant, subject=Subject())
    with pytest.raises(HarnessError, match=message):
        run_sensitivity(target, 2, tmp_path, Silent())


MINE = '[recipes.mine]\nkind = "onnx-static"\ncalibration_samples = 30\n'


def test_a_model_of_the_users_is_calibrated_with_several_sets(network, tmp_path):
    generator = np.random.default_rng(0)
    (tmp_path / "mine.toml").write_text(MINE)
    for name in ("train", "test"):
        np.savez(tmp_path / f"{name}.npz", image=generator.random((60, 28, 28, 1), dtype=np.float32))
    data, calibration = (DataRequest(reference=str(tmp_path / f"{name}.npz")) for name in ("test", "train"))
    subject = Subject(models=(network(),), data=data, calibration=calibration)
    target = Target(name="mine", subject=subject, recipes=tmp_path / "mine.toml")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = run_sensitivity(target, 2, scratch, Silent())
    assert [each.seed for each in found.calibrated] == [0, 1]
    assert found.metric.name == "agreement"
    assert all(set(each.scales) >= {"nchw", "relu", "logits"} for each in found.calibrated)
    assert found.calibrated[0].scales != found.calibrated[1].scales


def test_sets_that_would_all_be_the_same_are_refused(network, tmp_path):
    np.savez(tmp_path / "few.npz", image=np.zeros((20, 28, 28, 1), np.float32))
    request = DataRequest(reference=str(tmp_path / "few.npz"))
    target = Target(name="int8-qdq", subject=Subject(models=(network(),), data=request, calibration=request))
    with pytest.raises(HarnessError, match=r"few.npz holds 20 samples and int8-qdq.onnx takes 1000"):
        run_sensitivity(target, 2, tmp_path, Silent())
