"""The no-op models copy as many bytes as the measured model takes, on each runtime."""

import numpy as np
import pytest

from crossrt.core.manifest import check_file
from crossrt.core.tensor import TensorSpec
from crossrt.harness.measure.noop import noop_artifacts, noop_dimensions
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import SHIPPED, default_runtime_names, get_runtime


def spec(dtype, *shape):
    return TensorSpec(name="x", dtype=dtype, shape=shape)


def test_there_is_one_for_each_format_and_its_file_is_the_described_one():
    assert noop_artifacts().keys() == {"onnx", "tflite", "keras", "saved-model"}
    for artifact in noop_artifacts().values():
        check_file(artifact)


@pytest.mark.parametrize("runtime", [name for name in default_runtime_names() if name in SHIPPED])
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("features", [1, 784, 150_528])
def test_it_copies_any_number_of_values(runtime, batch_size, features):
    artifact = noop_artifacts()[SHIPPED[runtime].formats[0]]
    options = SessionOptions(batch_size=batch_size, dimensions={"features": features})
    values = np.random.default_rng(0).normal(size=(batch_size, features)).astype(np.float32)
    with get_runtime(runtime).prepare(artifact, options) as session:
        (copy,) = session.run({session.inputs[0].name: values}).values()
    np.testing.assert_array_equal(copy, values)
    assert not np.shares_memory(copy, values)


@pytest.mark.parametrize(
    ("inputs", "batch_size", "features"),
    [
        ([spec("float32", 2, 28, 28, 1)], 2, 784),
        ([spec("uint8", 1, 10)], 1, 3),
        ([spec("int64", 4, 5), spec("float32", 2, 4, 3)], 4, 16),
        ([spec("float32", 1, 0)], 1, 1),
    ],
)
def test_features_are_the_bytes_of_a_sample_in_values_of_float32(inputs, batch_size, features):
    assert noop_dimensions(inputs, batch_size) == {"features": features}
