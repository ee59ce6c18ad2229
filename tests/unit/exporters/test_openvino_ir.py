"""OpenVINO's own files: what they take and give is read from the graph, without OpenVINO."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.exporters.errors import ModelError
from crossrt.exporters.inspect import inspect_model
from crossrt.exporters.sources.detect import detect

MODELS = Path(__file__).parents[3] / "runtimes" / "conformance" / "models"
NAMES = sorted(each.name for each in MODELS.glob("*.openvino-ir"))


@pytest.fixture
def copied(tmp_path):
    def copied(name="image.fp32.openvino-ir"):
        for file in ("model.xml", "model.bin"):
            shutil.copyfile(MODELS / name / file, tmp_path / file)
        return tmp_path / "model.xml"

    return copied


@pytest.mark.parametrize("name", NAMES)
def test_inputs_and_outputs_are_those_of_the_record(name):
    found = inspect_model(MODELS / name / "model.xml")
    record = read_manifest(MODELS / name / ARTIFACT_MANIFEST, ModelArtifact)
    for side in ("inputs", "outputs"):
        said = [(spec.name, spec.dtype, len(spec.shape)) for spec in getattr(found, side)]
        assert said == [(spec.name, spec.dtype, len(spec.shape)) for spec in getattr(record, side)]
    assert (found.sha256, found.size_bytes, found.data_files) == (record.sha256, record.size_bytes, record.data_files)
    assert found.problem is None


def test_a_dynamic_first_dimension_is_the_batch(copied):
    found = inspect_model(copied())
    assert found.inputs[0].shape == ("batch", 3, 8, 6)
    assert found.batching.axes == {"image": 0}
    assert found.artifact("image", "fp32").format == "openvino-ir"


def test_weights_that_are_missing_are_one_clear_error(copied):
    path = copied()
    path.with_suffix(".bin").unlink()
    with pytest.raises(ModelError, match=r"model\.xml has no weights: put model\.bin beside it"):
        inspect_model(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<?xml version="1.0"?><svg/>', "is not the graph of an OpenVINO model"),
        ('<?xml version="1.0"?><net name="x"><layers>', "cannot be read as an OpenVINO IR"),
        ('<net name="x"></net>', "has no element net with layers"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><net name="x"/>', "is not the graph of an OpenVINO model"),
        ('<?xml version="1.0"?><!DOCTYPE net><net name="x"><layers/></net>', "declares a document type"),
    ],
)
def test_other_xml_is_refused(copied, text, message):
    path = copied()
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        inspect_model(path)


def test_the_weights_alone_lead_to_the_graph(copied):
    with pytest.raises(ModelError, match=r"give model\.xml"):
        detect(copied().with_suffix(".bin"))
