"""Variants on spoilt digits: over the small models, and the statistics on answers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.analysis.corruption import CORRUPTIONS, STRENGTHS
from crossrt.harness.analyze.robustness import (
    CLEAN,
    Robustness,
    corruption_sheet,
    mean_change,
    run_robustness,
    variant_sheet,
)
from crossrt.harness.build.variant_files import variant_files
from crossrt.harness.cli.progress import Silent
from crossrt.harness.evaluate.workspace import open_workspace

DIGITS = 200
LABELS = (np.arange(DIGITS) % 10).astype(np.uint8)


def answers(wrong) -> Robustness:
    """A baseline that is always right, and another that is wrong on some digits, by kind."""
    right = LABELS.astype(np.intp)
    called = {"base": {}, "other": {}}
    for kind in (CLEAN, *CORRUPTIONS):
        strengths = 1 if kind == CLEAN else len(STRENGTHS)
        spoilt = right.copy()
        spoilt[list(wrong.get(kind, ()))] = (right[list(wrong.get(kind, ()))] + 1) % 10
        called["base"][kind] = np.tile(right, (strengths, 1))
        called["other"][kind] = np.tile(spoilt, (strengths, 1))
    return Robustness(labels=LABELS, called=called, baseline="base")


def test_a_digit_counts_once_however_often_it_was_spoilt():
    found = answers({"blur": range(20)})
    change, half = mean_change(found, "other", ["blur"])
    assert change == pytest.approx(-0.1)
    assert half == pytest.approx(2.6 * np.sqrt(0.1 * 0.9 / DIGITS), rel=0.01)
    assert mean_change(found, "other", ["contrast"]) == (0, 0)


def test_a_clear_loss_is_coloured_and_the_worst_corruption_named():
    labels = {"base": "fp32", "other": "int8"}
    (row,) = variant_sheet(answers({"blur": range(60), "shift": [3]}), labels).rows
    assert [cell.text for cell in row][::4] == ["int8", "blur"]
    assert row[1].text == "+0.00 ±0.00"
    assert row[2].text.startswith("-3.05 ±")
    assert (row[1].tone, row[3].tone) == (None, "bad")
    assert row[3].text.startswith("-30.00 ±")


def test_each_corruption_names_who_loses_most():
    rows = corruption_sheet(answers({"blur": range(60)}), {"base": "fp32", "other": "int8"}).rows
    by_kind = {row[0].text: [cell.text for cell in row[1:]] for row in rows}
    assert by_kind[CLEAN] == ["100.00", "+0.00 ±0.00", "int8"]
    assert by_kind["blur"][1].startswith("-30.00 ±")
    assert len(by_kind) == 11


def test_the_small_models_are_evaluated_on_every_set(folder, tmp_path):
    with open_workspace() as workspace:
        files = variant_files(tmp_path / "unused.keras", folder, (), ("int8-io", "fp32"), workspace, Silent())
        found = run_robustness(files, workspace, 100, 0, Silent())
        again = run_robustness(files, workspace, 100, 0, Silent())
    assert files[0].id == "conv.fp32.onnx"
    assert found.called.keys() == {"conv.fp32.onnx", "conv.fp32.tflite", "conv.int8-io.tflite"}
    assert all(each["blur"].shape == (5, 100) for each in found.called.values())
    assert found.called["conv.fp32.onnx"][CLEAN].shape == (1, 100)
    for name, kinds in found.called.items():
        for kind, called in kinds.items():
            np.testing.assert_array_equal(called, again.called[name][kind])
    agreement = found.called["conv.fp32.onnx"]["rotation"] == found.called["conv.fp32.tflite"]["rotation"]
    assert agreement.mean() > 0.99
