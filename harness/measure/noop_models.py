"""Makes the shipped no-op models: `python -m crossrt.harness.measure.noop_models`, with the extra `export`.

They copy float32 `(batch, features)` and compute nothing: what remains of a call is the runtime, its adapter and the
copying. The files are committed, so that measuring needs no converter.
"""

from __future__ import annotations

import hashlib
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from crossrt.core.artifact import ModelArtifact, ModelFormat, sha256_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, write_manifest
from crossrt.core.tensor import Batching, TensorSpec
from crossrt.harness.measure.noop import FEATURES, FOLDER

NAME = "no-op"
BATCH, SOURCE, COPY = "batch", "values", "copy"
IR_VERSION, OPSET = 10, 18  # what every ONNX Runtime of the supported range loads
MAKERS: dict[ModelFormat, str] = {"onnx": "onnx", "tflite": "tensorflow-cpu", "keras": "keras"}


def main() -> None:
    """Writes one folder per format."""
    shape: list[str | int | None] = [BATCH, FEATURES]
    graph = helper.make_graph(
        [helper.make_node("Identity", [SOURCE], [COPY])],
        NAME,
        [helper.make_tensor_value_info(SOURCE, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(COPY, TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path := _file("onnx"))
    _describe(path, "onnx")
    path = _file("tflite")
    path.write_bytes(_tflite())
    _describe(path, "tflite")
    _keras().save(path := _file("keras"))
    _describe(path, "keras")


def _keras() -> Any:
    import keras

    values = keras.Input((None,), name=SOURCE)
    return keras.Model(values, keras.layers.Identity(name=COPY)(values), name=NAME)


def _tflite() -> bytes:
    import tensorflow as tf

    def copy(values: Any) -> dict[str, Any]:
        return {COPY: tf.identity(values)}

    function = tf.function(copy, input_signature=[tf.TensorSpec([None, None], tf.float32, SOURCE)])
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures=function.get_concrete_function())
        content: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    return content


def _file(model_format: ModelFormat) -> Path:
    folder = FOLDER / model_format
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"model.{model_format}"


def _describe(path: Path, model_format: ModelFormat) -> None:
    source, copy = (TensorSpec(name=name, dtype="float32", shape=(BATCH, FEATURES)) for name in (SOURCE, COPY))
    artifact = ModelArtifact(
        model=NAME,
        variant="fp32",
        format=model_format,
        path=path,
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        inputs=(source,),
        outputs=(copy,),
        batching=Batching(dimension=BATCH, axes={SOURCE: 0}),
        role="float",
        quantization=None,
        producer={MAKERS[model_format]: version(MAKERS[model_format])},
        source_sha256=hashlib.sha256(NAME.encode()).hexdigest(),
    )
    write_manifest(artifact, path.with_name(ARTIFACT_MANIFEST))


if __name__ == "__main__":
    main()
