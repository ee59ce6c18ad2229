"""Training from scratch: interruptions, refusals, rates, and what the networks are; one process trains for all."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crossrt.exporters.training.qat.curves import read_curves

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    script = Path(__file__).with_name("make_trained.py")
    done = subprocess.run(
        [sys.executable, "-P", str(script), str(folder)], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.fixture
def facts(folder):
    return json.loads((folder / "facts.json").read_text())


def test_a_training_that_went_on_gives_the_same_weights(facts):
    assert facts["equal"] == [True, True, True]
    assert [each["epoch"] for each in facts["resumed"] if each["event"] in ("resumed", "epoch")] == [1, 2, 3]


def test_its_checkpoint_is_the_same_to_the_last_byte(folder):
    one, other = ((folder / name / "checkpoints/epoch-0003/variables.npz").read_bytes() for name in ("whole", "broken"))
    assert one == other
    assert len(list((folder / "whole" / "checkpoints").iterdir())) == 1


def test_its_curves_are_the_same_but_for_the_speed(folder):
    found = [read_curves(folder / name / "curves.jsonl") for name in ("whole", "broken")]
    one, other = (
        [(each.epoch, each.train, each.validation, each.learning_rate) for each in epochs] for epochs in found
    )
    assert one == other
    assert [each[0] for each in one] == [1, 2, 3]
    assert one[-1][3] == pytest.approx(0, abs=1e-9)


def test_one_that_is_over_says_what_it_came_to(facts):
    resumed, started = facts["at the end"]
    assert (resumed["event"], resumed["epoch"], started["event"]) == ("resumed", 3, "started")
    assert resumed["validation_metric"] == facts["events"][-1]["validation_metric"]


def test_it_learns(facts):
    last = facts["events"][-1]
    assert last["validation_metric"] > 0.25  # a tenth by chance
    assert last["loss"] < next(each["loss"] for each in facts["events"] if each["event"] == "epoch")


def test_what_is_told_at_the_start(facts):
    started = facts["events"][0]
    assert (started["samples"], started["validation_samples"], started["epochs"]) == (404, 30, 3)


def test_the_model_is_written_for_the_full_size_and_without_an_optimizer(facts):
    assert facts["saved"]["input"] == [None, 32, 32, 3]
    assert not facts["saved"]["optimizer"]
    assert facts["saved"]["names"] == ["checkpoints", "curves.jsonl", "tiny.keras"]


def test_a_loss_that_explodes_names_the_step(facts, folder):
    assert "at step " in facts["exploded"]
    assert "of 26 in epoch" in facts["exploded"]
    assert not (folder / "exploded" / "tiny.keras").exists()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("other seed", "was made with seed 5: --resume goes on with the same settings alone"),
        ("other recipe", "was made with version of recipe"),
        ("no course", "is not a course of training"),
    ],
)
def test_what_cannot_be_gone_on_with_is_said(facts, kind, said):
    assert said in facts[kind]


def test_networks_have_the_parameters_of_their_papers(facts):
    assert facts["parameters"]["cifar-resnet8"] == 78_666  # MLPerf Tiny's
    assert facts["parameters"]["cifar-resnet20"] == 269_722 + 2_752 + 1_568  # option A, shortcuts, moving averages
    assert facts["parameters"]["cifar-resnet18"] == 11_173_962 + 9_600
    assert set(map(tuple, facts["outputs"].values())) == {(None, 10)}


def test_rates_rise_along_a_line_and_fall_along_a_cosine(facts):
    fallen = [0.05 * (1 + math.cos(math.pi * share / 8)) for share in range(9)]
    np.testing.assert_allclose(facts["rates"]["warm"], [0, 0.05, *fallen], atol=1e-7)
    np.testing.assert_allclose(facts["rates"]["cold"], [0.1, 0.05, 0], atol=1e-7)
