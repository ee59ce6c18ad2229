"""Makes the shipped identity models: `python -m crossrt.harness.measure.noop_models`, with the extra `export`.

They copy float32 `(batch, 28, 28, 1)` and compute nothing: what remains of a call is the runtime, its adapter and the
copying. The files are committed, so that measuring needs no converter.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

import keras
import onnx
from onnx import TensorProto, helper

from crossrt.core.artifact import ModelArtifact, ModelFormat, sha256_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, write_manifest
from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs
from crossrt.exporters.to_tflite import export_tflite

FOLDER = Path(__file__).parent / "noop_files"
NAME = "identity"
IR_VERSION, OPSET = 10, 18  # what every ONNX Runtime of the supported range loads


def main() -> None:
    """Writes one folder per format."""
    shape: list[str | int | None] = ["batch", 28, 28, 1]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["copy"])],
        NAME,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("copy", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path := _file("onnx"))
    _describe(path, "onnx")
    inputs = keras.Input((28, 28, 1), name="image")
    export_tflite(keras.Model(inputs, keras.layers.Identity()(inputs)), path := _file("tflite"), None)
    _describe(path, "tflite")


def _file(model_format: ModelFormat) -> Path:
    folder = FOLDER / model_format
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"model.{model_format}"


def _describe(path: Path, model_format: ModelFormat) -> None:
    inputs, outputs = onnx_specs(path) if model_format == "onnx" else tflite_specs(path)
    maker = "onnx" if model_format == "onnx" else "tensorflow-cpu"
    artifact = ModelArtifact(
        model=NAME,
        variant="fp32",
        format=model_format,
        path=path,
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        quantization=None,
        producer={maker: version(maker)},
        model_sha256=hashlib.sha256(NAME.encode()).hexdigest(),
    )
    write_manifest(artifact, path.with_name(ARTIFACT_MANIFEST))


if __name__ == "__main__":
    main()
