"""The bundled reference: found without its name, its data set, its model files."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest

import crossrt.datasets
from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec, batching_of
from crossrt.datasets.fitting import fit, model_feeds
from crossrt.datasets.mnist import digits as mnist
from crossrt.datasets.mnist.architectures import ARCHITECTURES
from crossrt.datasets.mnist.dataset import INPUT_NAME, SPLITS
from crossrt.datasets.mnist.train import training_digits
from crossrt.datasets.reference import default_reference, model_file, reference_models, reference_of, references


def test_the_default_model_comes_first_and_all_have_files():
    assert reference_models()[:4] == ("mnist-cnn", "mnist-dense", "mnist-separable", "mnist-transformer")
    assert all(model_file(name).suffix == ".keras" for name in reference_models())


def test_an_unknown_model_lists_the_bundled_ones():
    with pytest.raises(DataError, match=r"'resnet' is not a bundled model; available: mnist-cnn, mnist-dense"):
        model_file("resnet")


def test_a_bundled_file_is_known_by_its_path_and_a_copy_is_not(tmp_path, monkeypatch):
    path = model_file("mnist-dense")
    assert reference_of(path) == default_reference()
    monkeypatch.chdir(path.parent)
    assert reference_of(Path("mnist-dense.keras")) == default_reference()
    assert reference_of(Path(shutil.copy(path, tmp_path))) is None


def test_the_record_names_what_there_is():
    reference = default_reference()
    assert set(reference.architectures) == set(ARCHITECTURES)
    assert {reference.test_split, reference.calibration_split} <= set(SPLITS)
    assert callable(importlib.import_module(reference.training).main)
    assert len(training_digits(reference.training_data[0]).labels) == 10_000


@pytest.mark.parametrize("split", SPLITS)
def test_the_data_set_gives_what_the_models_were_trained_on(split):
    data, digits = SPLITS[split](), mnist.shipped(split)
    assert data.inputs == {INPUT_NAME: TensorSpec(name=INPUT_NAME, dtype="float32", shape=(28, 28, 1))}
    assert len(data) == 10_000
    np.testing.assert_array_equal(data.labels, digits.labels)
    chosen = [9_999, 0, 17]
    np.testing.assert_array_equal(data.feeds(chosen)[INPUT_NAME], digits.as_input()[chosen])
    assert data.fingerprint == mnist.shipped_sha256(split)


def test_the_data_set_fits_its_models():
    inputs = (TensorSpec(name=INPUT_NAME, dtype="float32", shape=("batch", 28, 28, 1)),)
    data, batching = SPLITS["test"](), batching_of(inputs)
    feeds = model_feeds(data, fit(data, inputs, batching), inputs, batching, range(5))
    assert feeds[INPUT_NAME].shape == (5, 28, 28, 1)


def test_every_package_with_a_reference_is_found_and_no_other():
    assert [reference.dataset for reference in references()] == ["mnist", "cifar10"]  # the default first


@pytest.mark.parametrize(("folder", "word"), [("mnist", "mnist"), ("cifar10", "cifar")])
def test_no_module_outside_its_folder_names_a_bundled_data_set(folder, word):
    room = Path(crossrt.datasets.__file__).parent
    modules = [path for path in room.rglob("*.py") if room / folder not in path.parents]
    assert len(modules) > 15
    assert [path.name for path in modules if word in path.read_text().lower()] == []
