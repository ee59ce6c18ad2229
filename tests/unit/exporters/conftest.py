from __future__ import annotations

from pathlib import Path

import pytest

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
