"""Artifacts that stand for real ones, and small float32 ONNX networks over digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporters.artifact import ModelArtifact, Quantization, ReferenceLogits, TensorSpec, sha256_of


@pytest.fixture
def make_artifact(tmp_path):
    """Writes a file that stands for a model, and describes it."""

    def make(folder: Path = tmp_path, *, content: bytes = b"model", **fields) -> ModelArtifact:
        path = folder / "net.int8.tflite"
        path.write_bytes(content)
        image = TensorSpec(name="image", dtype="int8", shape=(None, 28, 28, 1), scale=0.004, zero_point=-128)
        defaults = {
            "model": "net",
            "variant": "int8",
            "format": "tflite",
            "path": path,
            "sha256": sha256_of(path),
            "size_bytes": len(content),
            "inputs": (image,),
            "outputs": (TensorSpec(name="logits", dtype="float32", shape=(None, 10)),),
            "quantization": Quantization(
                scheme="static",
                representation="tflite",
                activation_type="int8",
                weight_type="int8",
                granularity="per-channel",
                calibration_method="minmax",
                calibration_samples=1000,
                calibration_sha256="c" * 64,
            ),
            "producer": {"tensorflow": "2.19.0", "numpy": "2.0.0"},
            "model_sha256": "d" * 64,
        }
        return ModelArtifact(**{**defaults, **fields})

    return make


@pytest.fixture
def make_reference():
    """Writes a file that stands for a model's answers, and describes it."""

    def make(folder: Path, *, content: bytes = b"logits") -> ReferenceLogits:
        path = folder / "reference.npy"
        path.write_bytes(content)
        hashes = {"sha256": sha256_of(path), "model_sha256": "d" * 64, "data_sha256": "e" * 64}
        return ReferenceLogits(model="net", path=path, producer={"keras": "3.0.0"}, **hashes)

    return make


def _array(name, *shape, seed=0):
    values = np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


def _model(nodes, initializers):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 28, 28, 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        initializers,
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])


def _dense(source):
    return [
        helper.make_node("Reshape", [source, "flat"], ["hidden"], name="flatten"),
        helper.make_node("MatMul", ["hidden", "dense"], ["product"], name="dense"),
        helper.make_node("Add", ["product", "offset"], ["logits"], name="add"),
    ]


SHAPE = numpy_helper.from_array(np.array([-1, 1, 28, 28], dtype=np.int64), "shape")
FLAT = numpy_helper.from_array(np.array([-1, 4 * 49], dtype=np.int64), "flat")
INITIALIZERS = [
    SHAPE,
    FLAT,
    _array("kernel", 4, 1, 4, 4),
    _array("bias", 4),
    _array("dense", 196, 10),
    _array("offset", 10),
]
FIRST = [
    helper.make_node("Reshape", ["image", "shape"], ["nchw"], name="reshape"),
    helper.make_node("Conv", ["nchw", "kernel", "bias"], ["conv"], name="conv", strides=[4, 4]),
    helper.make_node("Relu", ["conv"], ["relu"], name="relu"),
]


@pytest.fixture
def network(tmp_path):
    """Writes a network: `plain`, or `branched`, whose convolution is read by a Relu and by an Add."""

    def write(kind="plain"):
        nodes = [*FIRST, *_dense("relu")]
        if kind == "branched":
            nodes = [*FIRST, helper.make_node("Add", ["conv", "relu"], ["sum"], name="sum"), *_dense("sum")]
        folder = tmp_path / kind
        folder.mkdir(exist_ok=True)
        onnx.save(_model(nodes, INITIALIZERS), folder / "float.onnx")
        return folder / "float.onnx"

    return write
