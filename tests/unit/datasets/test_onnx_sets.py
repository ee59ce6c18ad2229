"""ONNX's own convention: test_data_set_N with input_0.pb and output_0.pb."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.opening import DataRequest, open_dataset

onnx = pytest.importorskip("onnx")

BATCHED = (TensorSpec(name="x", dtype="float32", shape=("N", 2)), TensorSpec(name="rate", dtype="int64", shape=()))
SINGLE = (TensorSpec(name="x", dtype="float32", shape=(4,)),)


def write(folder, name, array, tensor_name=""):
    folder.mkdir(parents=True, exist_ok=True)
    tensor = onnx.numpy_helper.from_array(np.asarray(array), tensor_name)
    (folder / f"{name}.pb").write_bytes(tensor.SerializeToString())


def opened(path, inputs, **options):
    return open_dataset(DataRequest(reference=str(path), **options), inputs)


@pytest.fixture
def folder(tmp_path):
    for number in (0, 1, 10):
        each = tmp_path / f"test_data_set_{number}"
        write(each, "input_0", np.full((2, 2), number, np.float32))
        write(each, "input_1", np.int64(16000))
        write(each, "output_0", np.full((2, 5), number, np.float32))
    return tmp_path


def test_samples_lie_along_the_batch_in_the_order_of_the_folders(folder):
    data = opened(folder, BATCHED)
    assert len(data) == 6
    assert data.feeds(range(6))["x"][:, 0].tolist() == [0, 0, 1, 1, 10, 10]
    assert data.shared == {"rate"}
    assert data.expected_outputs["output_0"][:, 0].tolist() == [0, 0, 1, 1, 10, 10]
    assert data.notes == ("expected outputs are given: output_0",)


def test_without_a_batch_each_folder_is_a_sample(tmp_path):
    for number in range(3):
        write(tmp_path / f"test_data_set_{number}", "input_0", np.full(4, number, np.float32))
        write(tmp_path / f"test_data_set_{number}", "output_0", np.zeros((2, 5), np.float32))
    data = opened(tmp_path, SINGLE)
    assert len(data) == 3
    assert data.feeds([2])["x"].tolist() == [[2, 2, 2, 2]]
    assert data.expected_outputs["output_0"].shape == (3, 2, 5)


def test_a_limit_cuts_expected_outputs_too(folder):
    assert len(opened(folder, BATCHED, limit=3).expected_outputs["output_0"]) == 3


def test_one_folder_is_enough(folder):
    assert len(opened(folder / "test_data_set_10", BATCHED)) == 2


def test_names_of_tensors_count_before_their_order(tmp_path):
    write(tmp_path, "input_0", np.int64(8), "rate")
    write(tmp_path, "input_1", np.zeros((4, 2), np.float32), "x")
    assert len(opened(tmp_path, BATCHED)) == 4


def test_a_missing_input_is_named(tmp_path):
    write(tmp_path, "input_0", np.zeros((4, 2), np.float32))
    with pytest.raises(DataError, match=r"holds 1 inputs .*; the model has 2: x, rate"):
        opened(tmp_path, BATCHED)


def test_a_shared_input_that_differs_is_refused(folder):
    write(folder / "test_data_set_1", "input_1", np.int64(8000))
    with pytest.raises(DataError, match=r"test_data_set_1: rate differs from other folders"):
        opened(folder, BATCHED)


def test_samples_of_several_shapes_are_refused(folder):
    write(folder / "test_data_set_1", "input_0", np.zeros((2, 3), np.float32))
    with pytest.raises(DataError, match="all samples must have one dtype and shape"):
        opened(folder, BATCHED)


def test_a_file_that_is_not_a_tensor_is_named(folder):
    (folder / "test_data_set_1/input_0.pb").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"input_0.pb is not an ONNX tensor"):
        opened(folder, BATCHED)


def test_values_in_other_files_are_refused(tmp_path):
    tensor = onnx.numpy_helper.from_array(np.zeros((1, 2), np.float32))
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    (tmp_path / "input_0.pb").write_bytes(tensor.SerializeToString())
    with pytest.raises(DataError, match="its values lie in another file"):
        opened(tmp_path, BATCHED[:1])


def test_a_model_is_needed(folder):
    with pytest.raises(DataError, match="it can be opened for a model only"):
        opened(folder, None)
