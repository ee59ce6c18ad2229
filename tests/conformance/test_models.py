"""The shipped models leave no kind of input or output out."""

from pathlib import Path
from typing import get_args

import pytest

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest


@pytest.fixture
def shipped():
    manifests = (Path(__file__).parents[1] / "data" / "models").glob(f"*/{ARTIFACT_MANIFEST}")
    return [read_manifest(path, ModelArtifact) for path in manifests]


def test_each_format_has_a_model(shipped):
    assert {artifact.format for artifact in shipped} == set(get_args(ModelFormat))


def test_some_model_has_integer_inputs_and_outputs(shipped):
    assert any(artifact.inputs[0].scale and artifact.outputs[0].scale for artifact in shipped)


def test_some_model_has_float_inputs_and_outputs(shipped):
    assert any(artifact.inputs[0].dtype == artifact.outputs[0].dtype == "float32" for artifact in shipped)
