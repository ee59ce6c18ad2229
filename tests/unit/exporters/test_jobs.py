"""What a building process says of a file that it wrote."""

from __future__ import annotations

import onnx
import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, check_file, read_manifest
from crossrt.exporters.errors import ExportError, NothingToQuantizeError, UnfitRecipeError
from crossrt.exporters.jobs import BuildJob, build_all, write_artifact
from crossrt.exporters.variants import FLOAT_ONNX


def test_weights_in_files_beside_the_model_are_counted_and_hashed(network, tmp_path):
    job = BuildJob(
        model="net", source="x", source_sha256="0" * 64, kind="onnx", folder=str(tmp_path), items=(), recipes={}
    )

    def write(path):
        onnx.save(onnx.load(network()), path, save_as_external_data=True, location="net.data", size_threshold=0)

    write_artifact(job, FLOAT_ONNX, write, tmp_path)
    found = read_manifest(tmp_path / ARTIFACT_MANIFEST, ModelArtifact)
    assert found.data_files == ("net.data",)
    assert found.size_bytes == found.path.stat().st_size + (tmp_path / "net.data").stat().st_size
    check_file(found)
    assert found.id == "net.fp32.onnx"


@pytest.mark.parametrize(
    ("error", "fits"),
    [
        (UnfitRecipeError("loops cannot be calibrated"), False),
        (NothingToQuantizeError("the model has no weights"), False),
        (ExportError("the quantizer failed"), True),
        (RuntimeError("crashed"), True),
    ],
)
def test_a_known_limit_is_told_from_a_failure(tmp_path, error, fits):
    sent = []

    class Events:
        def send(self, event, **fields):
            sent.append((event, fields))

    def build(item, folder):
        raise error

    job = BuildJob(
        model="net", source="x", source_sha256="0", kind="onnx", folder=str(tmp_path), items=["a.onnx"], recipes={}
    )
    build_all(job, build, Events())
    assert [(event, fields.get("fits")) for event, fields in sent] == [("building", None), ("item_failed", fits)]
