"""What a Keras model or a SavedModel says of itself, once TensorFlow has loaded it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from crossrt.core.artifact import sha256_of
from crossrt.exporters.inspection import Inspection, SourceKind
from crossrt.exporters.sources import keras_h5, saved_model
from crossrt.exporters.sources.detect import model_name, source_sha256
from crossrt.exporters.sources.onnx_weights import FLOATS
from crossrt.exporters.tf.serving import Serving, load_serving


def inspect_tensorflow(path: Path, kind: SourceKind) -> Inspection:
    """Loads a model and describes it.

    Raises:
        ModelError: It cannot be loaded or used.
    """
    serving = load_serving(path, kind)
    weights = _weight_bytes(serving)
    is_folder = kind == "saved-model"
    return Inspection(
        kind=kind,
        path=str(path),
        model=model_name(path),
        sha256=source_sha256(path, kind) if is_folder else sha256_of(path),
        size_bytes=saved_model.size_bytes(path) if is_folder else path.stat().st_size,
        inputs=serving.inputs,
        outputs=serving.outputs,
        batching=serving.batching,
        role="float",
        float_dtype=max(FLOATS, key=lambda name: weights.get(name, 0)),
        weight_bytes=weights,
        operators=_operators(serving),
        producer=_producer(serving),
        preprocessing=serving.preprocessing,
        expected_ranges=serving.expected_ranges,
        exports=("onnx", "tflite"),
        notes=tuple(_notes(serving, kind)),
    )


def _weight_bytes(serving: Serving) -> dict[str, int]:
    found: Counter[str] = Counter()
    for _, values in serving.weights():
        found[values.dtype.name] += values.nbytes
    return dict(found.most_common())


def _operators(serving: Serving) -> dict[str, int]:
    """Layers of a Keras model, operators of the graph else."""
    if serving.keras_model is not None:
        layers = [each for each in serving.keras_model._flatten_layers() if not list(_inner(each))]
        return dict(Counter(type(each).__name__ for each in layers).most_common())
    graph = serving.function.get_concrete_function().graph
    return dict(Counter(each.type for each in graph.get_operations()).most_common())


def _inner(layer: object) -> list[object]:
    return list(getattr(layer, "layers", ()))


def _producer(serving: Serving) -> str:
    import tensorflow as tf

    if serving.keras_model is None:
        return f"tensorflow {tf.__version__}"
    import keras

    return f"keras {keras.__version__}"


def _notes(serving: Serving, kind: SourceKind) -> list[str]:
    notes = list(serving.notes)
    if kind == "keras-h5":
        notes.append(keras_h5.RISK)
    if (name := serving.bad_weight()) is not None:
        notes.append(f"the weights {name} hold NaN or infinity: answers will, too")
    if (name := serving.integer_weight()) is not None:
        notes.append(
            f"the weights {name} are int8 already (Keras's quantize): the ONNX file keeps them, and nothing else can be"
            " built; save the model before model.quantize() to have it quantized"
        )
    return notes
