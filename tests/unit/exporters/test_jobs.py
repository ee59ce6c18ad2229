"""What a building process says of a file that it wrote."""

from __future__ import annotations

import onnx

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, check_file, read_manifest
from crossrt.exporters.jobs import BuildJob, write_artifact
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
