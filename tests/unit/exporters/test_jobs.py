"""What a building process says of a file that it wrote."""

from __future__ import annotations

import onnx
import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, check_file, read_manifest
from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ExportError, NothingToQuantizeError, UnfitRecipeError
from crossrt.exporters.jobs import BuildJob, build_all, write_artifact
from crossrt.exporters.sources import saved_model
from crossrt.exporters.variants import FLOAT_ONNX, FLOAT_SAVED_MODEL


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


def test_a_saved_model_is_written_with_all_files_of_its_folder(tmp_path):
    source, folder = tmp_path / "own", tmp_path / "item"
    folder.mkdir()
    files = {"saved_model.pb": b"graph", "variables/variables.index": b"index", "assets/words.txt": b"words"}
    for name, content in {**files, ARTIFACT_MANIFEST: b"of an earlier run"}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    job = BuildJob(
        model="own",
        source=str(source),
        source_sha256="0" * 64,
        kind="saved-model",
        folder=str(tmp_path),
        items=(),
        recipes={},
    )
    specs = [TensorSpec(name="x", dtype="float32", shape=("batch", 4))]

    write_artifact(
        job, FLOAT_SAVED_MODEL, lambda path: saved_model.copy(source, path.parent), folder, expected=(specs, specs)
    )

    found = read_manifest(folder / ARTIFACT_MANIFEST, ModelArtifact)
    check_file(found)
    assert (found.id, found.path.name) == ("own.fp32.saved-model", "saved_model.pb")
    assert set(found.data_files) == files.keys() - {"saved_model.pb"}
    assert found.size_bytes == sum(map(len, files.values()))
    assert {name: (folder / name).read_bytes() for name in files} == files


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
