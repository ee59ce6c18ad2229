"""Checking answers: which case is the reference, what is cut to fit the time, what is said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crossrt.datasets.opening import DataRequest
from crossrt.harness.evaluate.assess import RANDOM_HINT
from crossrt.harness.measure.settings import Subject
from crossrt.harness.run import check, reference

pytestmark = pytest.mark.processes


def test_the_first_float_file_of_a_folder_is_the_reference_whatever_the_baseline(bench, remarks):
    report = bench(baseline="int8-io@tflite", effort_rounds=1, display=remarks)
    assert report.reference == "fp32 on ort-cpu"
    assert report.run.settings.baseline == "conv.int8-io@tflite"
    assert any(text.strip().startswith("classification: labels are int64") for text in remarks.texts)


def test_a_first_case_that_fails_hands_over_to_the_next(bench, chaos):
    chaos("run:raise")
    report = bench(runtimes=("chaos", "tflite"), only=("fp32",), effort_rounds=1)
    assert [each.status for each in report.results] == ["failed", "ok"]
    assert report.reference == "fp32 on tflite"


def test_a_failure_on_random_inputs_says_that_they_were_random(bench, chaos, folder):
    chaos("run:raise")
    report = bench(subject=Subject(artifacts=folder), runtimes=("chaos",), only=("fp32",), effort_rounds=1)
    assert report.results[0].reason.endswith(RANDOM_HINT)
    report = bench(runtimes=("chaos",), only=("fp32",), effort_rounds=1)
    assert RANDOM_HINT not in report.results[0].reason


def test_where_every_case_fails_there_is_a_report_without_a_task(bench, chaos):
    chaos("run:raise")
    report = bench(runtimes=("chaos",), only=("fp32",), effort_rounds=1)
    assert [each.status for each in report.results] == ["failed"]
    assert (report.task, report.reference) == ("none", None)


def test_samples_are_cut_where_answering_them_would_take_too_long(bench, folder, tmp_path, monkeypatch, remarks):
    monkeypatch.setattr("crossrt.harness.measure.settings.ANSWERING_SHARE", 1e-9)
    images = np.random.default_rng(0).random((200, 28, 28, 1)).astype(np.float32)
    np.savez(tmp_path / "many.npz", image=images, allow_pickle=False)
    subject = Subject(artifacts=folder, data=DataRequest(reference=str(tmp_path / "many.npz")))
    changes = {"only": ("fp32@ort",), "effort_rounds": 1}
    report = bench(subject=subject, display=remarks, **changes)
    assert report.data.samples == report.results[0].evaluation.samples == 64
    assert any("the first 64 of 200 samples are answered; --samples or --time" in text for text in remarks.texts)
    asked = dataclasses.replace(subject, samples=150)
    assert bench(subject=asked, **changes).data.samples == 150


def test_random_samples_are_cut_to_the_time_and_the_room_even_where_they_were_asked_for(
    bench, folder, monkeypatch, remarks
):
    monkeypatch.setattr(check, "_DRAWING_SHARE", 1e-9)
    changes = {"only": ("fp32@ort",), "effort_rounds": 1, "subject": Subject(artifacts=folder, samples=500)}
    assert bench(display=remarks, **changes).data.samples == 64
    assert any("64 random samples are drawn in place of 500" in text for text in remarks.texts)
    monkeypatch.setattr(check, "_DRAWING_SHARE", 1.0)
    assert bench(**changes).data.samples == 500
    monkeypatch.setattr(check, "KEPT_BYTES", 100 * (28 * 28 + 10) * 4)
    assert bench(**changes).data.samples == 100


def test_time_that_is_over_is_said_and_two_rounds_are_kept(bench, remarks):
    report = bench(only=("fp32@ort",), time_s=0.5, display=remarks)
    assert [len(each.rounds) for each in report.results] == [2]
    assert any("to fit the time: 2 rounds" in text for text in remarks.texts)


def test_a_reference_that_answers_nan_is_a_caution_with_the_number_of_samples(monkeypatch):
    monkeypatch.setattr(reference, "_CHUNK", 4)
    scores = np.zeros((10, 3), dtype=np.float32)
    scores[[0, 7], 1] = np.nan
    found = list(reference._missing_numbers({"scores": scores, "sound": np.ones(10), "classes": np.arange(10)}))
    assert len(found) == 1
    assert "the reference's output scores holds NaN in 2 of 10 samples" in found[0]
