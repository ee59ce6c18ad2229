"""What `crossrt train` refuses before anything is started, and what it asks of the training process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossrt.cli.commands.train import train
from crossrt.datasets import cifar10, reference
from crossrt.datasets.cifar10.course import COURSE
from crossrt.harness.build.training import TrainingRequest, architectures, job_for
from crossrt.harness.errors import HarnessError
from crossrt.harness.qat.request import with_bundled


def job(tmp_path, architecture="cifar-resnet8", data="folder", **changed):
    return job_for(TrainingRequest(architecture=architecture, out=tmp_path / "net.keras", data=data, **changed))


def test_networks_of_all_bundled_data_sets_can_be_trained_the_default_first():
    assert architectures()[0] == "mnist-cnn"
    assert {"mnist-separable", "cifar-resnet8", "cifar-resnet20", "cifar-resnet18"} < set(architectures())


def test_the_reference_is_trained_as_its_data_set_says(tmp_path):
    found = job(tmp_path, "mnist-cnn", data=None)
    assert (found.data, found.epochs, found.seed, found.recipe) == ("shipped", 20, 2, "")


def test_a_recipe_says_how_long_it_takes(tmp_path):
    assert (job(tmp_path).recipe, job(tmp_path).epochs) == ("fast", 0)
    found = job(tmp_path, recipe="paper", epochs=7, seed=3)
    assert (found.recipe, found.epochs, found.seed) == ("paper", 7, 3)


def test_checkpoints_and_curves_lie_beside_the_model(tmp_path):
    found = job(tmp_path, resumes=True)
    assert found.checkpoints == str(tmp_path / "net.checkpoints")
    assert found.curves == str(tmp_path / "net.curves.jsonl")
    assert found.resumes


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"architecture": "resnet"}, "'resnet' is not an architecture; available: mnist-cnn"),
        ({"recipe": "slow"}, "has no recipe 'slow'; available: fast, paper"),
        ({"architecture": "mnist-cnn", "recipe": "fast"}, "has no recipe 'fast'; leave out --recipe"),
        ({"architecture": "mnist-cnn", "resumes": True}, "without checkpoints: leave out --resume"),
        ({"data": None}, "give --data FOLDER, --data download, or --data shipped to try"),
    ],
)
def test_what_cannot_be_trained_is_said(tmp_path, changed, said):
    with pytest.raises(HarnessError) as caught:
        job(tmp_path, **changed)
    assert said in str(caught.value)


def test_the_help_lists_what_can_be_trained_and_names_the_defaults():
    told = " ".join(CliRunner().invoke(train, ["--help"]).output.split())
    assert f"Architectures (default: {architectures()[0]})" in told
    assert "cifar-resnet18 (recipes fast, paper; --data must be given)" in told


def test_the_samples_that_ship_can_be_trained_on_to_try_it():
    training, test = COURSE.load("shipped")
    assert (training.pixels.shape, len(test.labels)) == ((500, 32, 32, 3), 2000)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(HarnessError, match=r"does not end in \.keras"):
        job_for(TrainingRequest(architecture="mnist-cnn", out=tmp_path / "net.h5"))


def test_an_earlier_training_is_not_overwritten(tmp_path):
    (tmp_path / "net.checkpoints" / "epoch-0001").mkdir(parents=True)
    with pytest.raises(HarnessError, match="holds an earlier training: go on with it by --resume"):
        job(tmp_path)
    assert job(tmp_path, resumes=True).resumes


def test_a_trained_network_that_ships_is_known_by_name_with_its_data(tmp_path, monkeypatch):
    (tmp_path / "cifar-resnet8.keras").write_bytes(b"PK\x03\x04")
    shipping = replace(cifar10.REFERENCE, folder=tmp_path, models=("cifar-resnet8",))
    known = tuple(shipping if each == cifar10.REFERENCE else each for each in reference.references())
    monkeypatch.setattr(reference, "references", lambda: known)
    monkeypatch.chdir("/")
    path, data, validation = with_bundled(Path("cifar-resnet8"), None, None)
    assert path == tmp_path / "cifar-resnet8.keras"
    assert (data.reference, data.split, validation) == ("cifar10", "train", None)
