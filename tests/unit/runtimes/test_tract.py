"""The adapter of tract beyond the conformance suite."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("tract", reason="tract is not installed: pip install 'crossrt[tract]'")

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.runtimes.conformance.plugin import MODELS as CONFORMANCE
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

MODELS = Path(__file__).parents[2] / "data" / "models"
ONE = SessionOptions()


def artifact_of(model):
    folder = next(root for root in (MODELS, CONFORMANCE) if (root / model).is_dir())
    return read_manifest(folder / model / ARTIFACT_MANIFEST, ModelArtifact)


@pytest.fixture
def changed(tmp_path):
    """`changed(model, change)` is the artifact of a file that `change` changed."""

    def changed(model, change):
        artifact = artifact_of(model)
        loaded = onnx.load(artifact.path)
        change(loaded)
        onnx.save(loaded, tmp_path / "model.onnx")
        return replace(artifact, path=tmp_path / "model.onnx")

    return changed


@pytest.mark.parametrize("option", ["intra_op_threads", "inter_op_threads"])
def test_it_runs_on_one_thread(option):
    reason = get_runtime("tract").unsupported_reason(artifact_of("conv.fp32.onnx"), SessionOptions(**{option: 2}))
    assert reason == f"runs on the caller's thread alone: {option} must be 1, found 2"


def test_an_operator_that_it_lacks_is_named_and_nothing_of_its_own_source(changed):
    def rename(model):
        model.graph.node[-1].op_type, model.graph.node[-1].name = "Unheard", "last"

    with pytest.raises(ModelRefusedError) as refused:
        get_runtime("tract").prepare(changed("image.fp32.onnx", rename), ONE)
    assert str(refused.value) == (
        "tract cannot load model.onnx: it does not have the operator Unheard (of the node last)"
    )


def test_a_refusal_is_one_line_without_a_backtrace(tmp_path, monkeypatch):
    monkeypatch.setenv("RUST_BACKTRACE", "1")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelRefusedError, match=r"^tract cannot load model\.onnx: .") as refused:
        get_runtime("tract").prepare(replace(artifact_of("conv.fp32.onnx"), path=tmp_path / "model.onnx"), ONE)
    assert "backtrace" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_outputs_that_it_names_after_their_operators_are_found_by_their_order(changed):
    def name_nodes(model):
        for number, node in enumerate(model.graph.node):
            node.name = f"node_{number}"

    artifact = changed("pair.fp32.onnx", name_nodes)
    feeds = {"left": np.ones((1, 4), np.float32), "right": np.ones((1, 3), np.float32)}
    with get_runtime("ort-cpu").prepare(artifact, ONE) as ort, get_runtime("tract").prepare(artifact, ONE) as session:
        expected, found = ort.run(feeds), session.run(feeds)
    assert found.keys() == expected.keys() == {"total", "gap"}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5)


def test_a_record_that_names_another_input_is_refused():
    artifact = artifact_of("conv.fp32.onnx")
    renamed = replace(artifact, inputs=(replace(artifact.inputs[0], name="other"),))
    with pytest.raises(ModelRefusedError, match="other"):
        get_runtime("tract").prepare(renamed, ONE)


def test_operators_are_those_of_the_optimized_model_without_constants():
    with get_runtime("tract").prepare(artifact_of("conv.fp32.onnx"), ONE) as session:
        operators = session.executed_operators()
    assert "OptMatMul" in operators
    assert not {"Const", "Source"} & set(operators)
