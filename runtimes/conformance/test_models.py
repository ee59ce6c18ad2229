"""The shipped models leave no kind of input or output out."""
# ruff: noqa: ANN001, ANN201, D103
# mypy: ignore-errors

from typing import get_args

import pytest

from crossrt.core.artifact import ModelFormat
from crossrt.runtimes.conformance.plugin import MODELS
from crossrt.runtimes.conformance.samples import artifacts_in, dimensions_of

KERAS_HAS_NO = ("quantized-integers", "no-batch", "batch-on-axis-1")
"""Its first dimension is the batch, of floats or of integers that stand for themselves."""

AS_KERAS = ("float16", "no-elements")


@pytest.fixture(params=get_args(ModelFormat))
def shipped(request):
    if request.param == "keras" and request.node.callspec.id.endswith(KERAS_HAS_NO):
        pytest.skip("Keras has no such models")
    if request.param == "saved-model" and request.node.callspec.id.endswith((*KERAS_HAS_NO, *AS_KERAS)):
        pytest.skip("the runtime of Keras models runs them, and shows this with those")
    return [artifact for artifact in artifacts_in(MODELS) if artifact.format == request.param]


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(lambda each: len(each.inputs) > 1 and len(each.outputs) > 1, id="two-inputs-two-outputs"),
        pytest.param(lambda each: each.inputs[0].dtype == each.outputs[0].dtype == "float32", id="float32"),
        pytest.param(lambda each: each.inputs[0].dtype == each.outputs[0].dtype == "float16", id="float16"),
        pytest.param(lambda each: each.inputs[0].scale and each.outputs[0].scale, id="quantized-integers"),
        pytest.param(lambda each: any(spec.dtype == "int64" for spec in each.inputs), id="int64"),
        pytest.param(
            lambda each: any(spec.dtype == "uint8" and spec.scale is None for spec in each.inputs), id="uint8"
        ),
        pytest.param(lambda each: each.batching.size == 4, id="fixed-batch"),
        pytest.param(lambda each: not each.batching.is_batched, id="no-batch"),
        pytest.param(lambda each: 1 in each.batching.axes.values(), id="batch-on-axis-1"),
        pytest.param(lambda each: dimensions_of(each) and each.batching.dimension, id="another-dynamic-dimension"),
        pytest.param(lambda each: any(0 in spec.shape for spec in each.inputs), id="no-elements"),
    ],
)
def test_some_model_of_each_format_has(shipped, shown):
    assert any(map(shown, shipped))


def test_some_model_has_its_weights_beside_it():
    assert any(artifact.data_files for artifact in artifacts_in(MODELS))


def test_data_files_are_no_links_however_the_package_was_installed(tmp_path):
    for each in MODELS.glob("**/*"):
        copy = tmp_path / each.relative_to(MODELS)
        if each.is_dir():
            copy.mkdir()
        else:
            copy.symlink_to(each)
    found = [artifact for artifact in artifacts_in(tmp_path) if artifact.data_files]
    assert found
    for artifact in found:
        for name in artifact.data_files:
            data = artifact.path.parent / name
            assert not data.is_symlink()
            assert data.stat().st_nlink == 1
