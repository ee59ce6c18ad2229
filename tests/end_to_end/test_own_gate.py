"""A gate in a user's own project: the same model passes, one that answers differently does not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

pytestmark = pytest.mark.timed

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
SAME, SWAPPED = "same.onnx", "swapped.onnx"
ATTEMPTS = 4
FEATURES, HIDDEN, CLASSES = 128, 512, 100
CONFIG = """
[model]
path = "model.onnx"
[data]
path = "hundred.npz"
[calibration]
path = "hundred-calibration.npz"
[bench]
only = "fp32@ort-cpu"
rounds = 3
time = 20
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The user's project as a gate sees it: a model, data, and a crossrt.toml."""
    folder = tmp_path_factory.mktemp("gated")
    weights = make_weights_and_data(folder)
    save(weights, folder / SAME)
    weights["w3"][:, [3, 71]] = weights["w3"][:, [71, 3]]
    save(weights, folder / SWAPPED)
    (folder / "crossrt.toml").write_text(CONFIG)
    return folder


def make_weights_and_data(folder) -> dict[str, np.ndarray]:
    """Two random layers, and a last one that least squares fits; samples that it never saw, and some to calibrate."""
    random = np.random.default_rng(0)
    labels = np.arange(4400) % CLASSES
    x = (random.normal(size=(CLASSES, FEATURES))[labels] + random.normal(size=(4400, FEATURES))).astype(np.float32)
    w1 = random.normal(scale=FEATURES**-0.5, size=(FEATURES, HIDDEN)).astype(np.float32)
    w2 = random.normal(scale=HIDDEN**-0.5, size=(HIDDEN, HIDDEN)).astype(np.float32)
    hidden = np.maximum(np.maximum(x[400:] @ w1, 0) @ w2, 0)
    w3 = np.linalg.lstsq(hidden, np.eye(CLASSES)[labels[400:]], rcond=None)[0].astype(np.float32)
    np.savez(folder / "hundred.npz", features=x[:400], labels=labels[:400])
    np.savez(folder / "hundred-calibration.npz", features=x[400:600])
    return {"w1": w1, "w2": w2, "w3": w3}


def save(weights: dict[str, np.ndarray], path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["features", "w1"], ["a1"], "dense_1"),
        helper.make_node("Relu", ["a1"], ["h1"], "relu_1"),
        helper.make_node("MatMul", ["h1", "w2"], ["a2"], "dense_2"),
        helper.make_node("Relu", ["a2"], ["h2"], "relu_2"),
        helper.make_node("MatMul", ["h2", "w3"], ["logits"], "dense_3"),
    ]
    graph = helper.make_graph(
        nodes,
        "hundred",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", FEATURES])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def crossrt(*arguments, cwd) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CROSSRT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=1200)


def gated(project, model) -> str:
    """Measures a model in a subfolder of the project, which finds the configuration above it."""
    shutil.copy(project / model, project / "model.onnx")
    (project / "ci").mkdir(exist_ok=True)
    done = crossrt("bench", "--out", "../runs", cwd=project / "ci")
    assert done.returncode == 0, done.stderr
    assert f"options from {project / 'crossrt.toml'}" in done.stderr
    return re.search(r"^report: \.\./(.*)/report.json$", done.stdout, re.MULTILINE)[1]


def judged(project, baseline: str, model: str, earlier: str) -> subprocess.CompletedProcess[str]:
    """Compares a fresh run of a model with an earlier one of another.

    Other work on the machine may make the later run slower indeed: then both are measured again.
    """
    for _ in range(ATTEMPTS):
        done = crossrt("compare", earlier, gated(project, model), cwd=project)
        if done.returncode == 0:
            break
        earlier = gated(project, baseline)
    return done


def test_gate_passes_the_same_model_and_stops_one_with_two_classes_swapped(project):
    before = gated(project, SAME)
    compared = judged(project, SAME, SAME, before)
    assert compared.returncode == 0, compared.stdout
    assert re.search("^No regression", compared.stdout, re.MULTILINE), compared.stdout  # below cautions, if any
    swapped = gated(project, SWAPPED)
    stopped = crossrt("compare", before, swapped, cwd=project)
    assert stopped.returncode == 1, stopped.stdout
    assert re.search(r"fp32@ort-cpu +top-1 % .*less accurate", stopped.stdout), stopped.stdout
    back = crossrt("compare", swapped, before, cwd=project)
    if back.returncode:
        back = judged(project, SWAPPED, SAME, swapped)
    assert back.returncode == 0, back.stdout
    assert crossrt("compare", before, "runs/missing", cwd=project).returncode == 2
