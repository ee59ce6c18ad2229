from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.harness.measure.settings import Effort


@pytest.fixture(scope="module")
def inspections(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(inspections, monkeypatch, tmp_path):
    """No test reads or writes the user's cache or folder."""
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(inspections))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def little_is_measured(monkeypatch, runtimes_are_remembered):
    """How long things are measured is no matter here; what a run and an A/B comparison measure besides is neither."""
    short = Effort(rounds=1, blocks=6, block_target_ns=300_000, warmup_ns=100_000, sessions=2)
    monkeypatch.setattr("crossrt.harness.measure.duel.prepare.DUEL_EFFORT", short)
    monkeypatch.setattr("crossrt.harness.measure.duel.fight.FEWEST_ROUNDS", 3)
    monkeypatch.setattr("crossrt.harness.measure.participants.noop_artifacts", dict)


def dense_model(seed: int = 0) -> onnx.ModelProto:
    """Two dense layers from 16 features to 4 scores."""
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.normal(0, 0.4, shape).astype(np.float32)
        for name, shape in {"w1": (16, 32), "b1": (32,), "w2": (32, 4), "b2": (4,)}.items()
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["hidden"], name="first"),
        helper.make_node("Relu", ["hidden"], ["positive"], name="relu"),
        helper.make_node("Gemm", ["positive", "w2", "b2"], ["scores"], name="second"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])


@pytest.fixture
def proto() -> onnx.ModelProto:
    """A small model in memory."""
    return dense_model()


@pytest.fixture
def path(tmp_path, proto) -> Path:
    """The same as a file."""
    onnx.save(proto, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.fixture
def arrays() -> np.ndarray:
    """300 samples."""
    return np.random.default_rng(1).normal(size=(300, 16)).astype(np.float32)
