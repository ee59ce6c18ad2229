"""What is read from one recipe over several sets of digits."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from crossrt.harness.analyze.sensitivity import Calibrated, answers_sheet, run_sensitivity, scales_sheet
from crossrt.harness.build.subject import Subject
from crossrt.harness.cli.progress import Silent
from crossrt.harness.errors import HarnessError
from crossrt.reports.statistics.classification import judge_logits


@pytest.fixture
def calibrated():
    labels = (np.arange(100) % 10).astype(np.uint8)

    def make(seed, wrong, sqnr_db, **scales):
        called = labels.astype(np.intp).copy()
        called[:wrong] = (called[:wrong] + 1) % 10
        accuracy = judge_logits(np.eye(10, dtype=np.float32)[called], labels, None)
        return Calibrated(seed=seed, accuracy=msgspec.structs.replace(accuracy, sqnr_db=sqnr_db), scales=scales)

    return make


def test_spread_is_the_standard_deviation_over_the_sets(calibrated):
    rows = answers_sheet([calibrated(0, 1, 30.0), calibrated(1, 3, 34.0)]).rows
    assert [cell.text for cell in rows[0]] == ["seed 0", "99.00", "-", "30.0"]
    assert [cell.text for cell in rows[-1]] == ["standard deviation", "1.41", "-", "2.83"]


def test_scales_that_differ_most_come_first(calibrated):
    found = [calibrated(0, 0, None, a=1.0, b=1.0, c=2.0), calibrated(1, 0, None, a=1.1, b=1.5)]
    rows = scales_sheet(found, "net").rows
    assert [row[0].text for row in rows] == ["b", "a"]
    assert [cell.text for cell in rows[0][1:]] == ["1", "1.25", "1.5", "50.0"]


@pytest.mark.parametrize(
    ("variant", "message"),
    [("w4", "w4.onnx is not calibrated"), ("int8*", "names several recipes: choose one of int8-qdq.onnx")],
)
def test_what_depends_on_no_digits_is_refused(tmp_path, variant, message):
    with pytest.raises(HarnessError, match=message):
        run_sensitivity(Subject(variant=variant, model_path=tmp_path / "net.keras"), 2, Silent())
