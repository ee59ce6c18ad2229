"""ONNX's reference evaluator: answers, no times unless they are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.runtimes.errors import ModelRefusedError, RunFailedError
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import default_runtime_names, get_runtime

MODELS = Path(__file__).parents[2] / "data" / "models"
FLOAT = read_manifest(MODELS / "conv.fp32.onnx" / ARTIFACT_MANIFEST, ModelArtifact)
IMAGES = {"image": np.random.default_rng(0).random((2, 28, 28, 1), dtype=np.float32)}


@pytest.fixture
def runtime():
    return get_runtime("onnx-reference")


def test_it_runs_only_where_it_is_named():
    assert "onnx-reference" not in default_runtime_names()


def test_it_is_timed_only_where_it_is_asked_to(runtime):
    assert not runtime.is_timed({})
    timed = get_runtime("onnx-reference:timed=yes")
    assert timed.is_timed(timed.values)


def test_it_answers_as_another_runtime_does(runtime):
    found = [
        each.prepare(FLOAT, SessionOptions(batch_size=2)).run(IMAGES) for each in (runtime, get_runtime("ort-cpu"))
    ]
    for name in found[0]:
        np.testing.assert_allclose(found[0][name], found[1][name], atol=1e-4)


def test_it_runs_the_nodes_of_the_file(runtime):
    with runtime.prepare(FLOAT, SessionOptions()) as session:
        assert session.executed_operators() == tuple(node.op_type for node in onnx.load(FLOAT.path).graph.node)


def saved(path, *nodes, domain=""):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 28, 28, 1])],
        [helper.make_tensor_value_info(FLOAT.outputs[0].name, TensorProto.FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return replace(FLOAT, path=path)


def test_operators_that_it_lacks_are_named(runtime, tmp_path):
    node = helper.make_node("FusedConv", ["image"], [FLOAT.outputs[0].name], domain="com.microsoft")
    with pytest.raises(ModelRefusedError, match=r"cannot load model\.onnx: .*FusedConv"):
        runtime.prepare(saved(tmp_path / "model.onnx", node, domain="com.microsoft"), SessionOptions())


def test_a_node_that_fails_is_one_line(runtime, tmp_path):
    node = helper.make_node("Concat", ["image"], [FLOAT.outputs[0].name], axis=9)
    artifact = saved(tmp_path / "model.onnx", node)
    with runtime.prepare(artifact, SessionOptions(batch_size=2)) as session:
        with pytest.raises(RunFailedError, match="was loaded and cannot be run") as failed:
            session.run(IMAGES)
        assert "\n" not in str(failed.value)


def test_a_damaged_file_is_refused(runtime, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(FLOAT.path.read_bytes()[:100])
    with pytest.raises(ModelRefusedError, match=r"cannot load model\.onnx"):
        runtime.prepare(replace(FLOAT, path=path), SessionOptions())


def test_more_threads_are_unsupported(runtime):
    assert runtime.unsupported_reason(FLOAT, SessionOptions(intra_op_threads=2)) == (
        "computes in one thread: intra_op_threads must be 1, found 2"
    )
