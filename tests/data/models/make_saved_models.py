"""Writes the conformance models of TensorFlow's own format: those of Keras, saved. `python make_saved_models.py`."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from writing import CONFORMANCE

from crossrt.core.artifact import ModelArtifact, sha256_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest

GRAPH = "saved_model.pb"
NAMES = ("fixed.fp32", "pair.fp32", "tokens.int64")
"""Those that show what may be lost on the way: a fixed batch, names and their order, integers, a dynamic dimension."""

SAMPLES = ("inputs.npz", "outputs.npz")


def main() -> None:
    """Saves these Keras models; samples and answers stay what they are."""
    for name in NAMES:
        source = CONFORMANCE / f"{name}.keras"
        target = source.with_suffix(".saved-model")
        shutil.rmtree(target, ignore_errors=True)
        with tempfile.TemporaryDirectory() as scratch:
            save(source, Path(scratch, "model"))
            shutil.copytree(Path(scratch, "model"), target, ignore=lambda *_: ["assets", "fingerprint.pb"])
        record = json.loads((source / ARTIFACT_MANIFEST).read_text(encoding="utf-8"))
        names = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
        beside = [name for name in names if name != GRAPH]
        sha256 = sha256_of(target / GRAPH, *(target / name for name in beside))
        record |= {
            "format": "saved-model",
            "path": GRAPH,
            "sha256": sha256,
            "size_bytes": sum((target / name).stat().st_size for name in names),
            "data_files": beside,
            "producer": {"tensorflow": tf.__version__},
            "source_sha256": sha256,
        }
        (target / ARTIFACT_MANIFEST).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        for file in SAMPLES:
            shutil.copyfile(source / file, target / file)


def save(source: Path, folder: Path) -> None:
    """Saves a Keras model with two signatures, of which the default one is its own."""
    record = read_manifest(source / ARTIFACT_MANIFEST, ModelArtifact)
    model = keras.saving.load_model(record.path, compile=False)
    taken = model._inputs_struct if isinstance(model._inputs_struct, dict) else None
    names = list(taken) if taken else [each.name for each in record.inputs]
    specs = {each.name: each for each in record.inputs}
    module = tf.Module()
    module.variables_of_model = model.variables

    def answers(*tensors: Any) -> dict[str, Any]:
        found = model(dict(zip(names, tensors, strict=True)) if taken else list(tensors), training=False)
        return found if isinstance(found, dict) else dict(zip(outputs, _flat(found), strict=True))

    def wrong(*tensors: Any) -> dict[str, Any]:
        return {name: tensor + 1 for name, tensor in answers(*tensors).items()}

    outputs = [each.name for each in record.outputs]
    signature = [
        tf.TensorSpec([size if isinstance(size, int) else None for size in specs[name].shape], specs[name].dtype, name)
        for name in names
    ]
    functions = {
        "first": tf.function(wrong, input_signature=signature),
        "serving_default": tf.function(answers, input_signature=signature),
    }
    tf.saved_model.save(module, str(folder), functions)


def _flat(found: Any) -> Sequence[Any]:
    return keras.tree.flatten(found)


if __name__ == "__main__":
    main()
