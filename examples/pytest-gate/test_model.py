"""Tests of a model, by the pytest plug-in that comes with crossrt: `pip install crossrt[ort]`, nothing to import."""

from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.mark.limit_slowdown("5%", against="baseline.json")
@pytest.mark.limit_accuracy_drop("0.5pp", against="baseline.json")
def test_the_model_is_as_fast_and_as_good_as_before(crossrt):
    report = crossrt.bench(HERE / "own.onnx", data=HERE / "test.npz")
    (case,) = report.results
    assert case.status == "ok"
    assert case.evaluation.values["top1"] > 0.9


@pytest.mark.limit_slowdown("10%", against="baseline.json")
def test_the_preprocessing_is_as_fast_as_before(crossrt):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    crossrt.time(lambda: (pixels.astype(np.float32) / 255 - 0.5).transpose(2, 0, 1).copy())
