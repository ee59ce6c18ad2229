"""A Keras model as a function with named inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from crossrt.core.tensor import ExpectedRange, TensorSpec
from crossrt.exporters.errors import ModelError
from crossrt.exporters.tf.policies import in_float32
from crossrt.exporters.tf.preprocessing import expected_range, preprocessing_of
from crossrt.exporters.tf.serving import (
    Serving,
    dynamic_shape,
    inner_input,
    inner_output,
    plain_names,
    tensor_sizes,
    with_batch,
)


def keras_serving(model: keras.Model, where: str) -> Serving:
    """Wraps a functional or sequential model; layers that compute in another precision are made to use float32.

    Raises:
        ModelError: Its inputs are not known, or are not plain tensors.
    """
    model, notes = in_float32(model)
    _check(model, where)
    inputs = _specs(_input_names(model), model.inputs)
    outputs = _specs(_output_names(model), model.outputs)
    return Serving(
        inputs=inputs,
        outputs=outputs,
        function=_function(model, inputs),
        save=lambda folder, batch: _save(model, with_batch(inputs, batch), outputs, folder),
        weights=lambda: ((each.path, np.asarray(each)) for each in model.weights),
        notes=notes,
        keras_model=model,
        preprocessing=preprocessing_of(model),
        expected_ranges=_expected_ranges(model, inputs),
    )


def _function(model: Any, inputs: tuple[TensorSpec, ...]) -> Any:
    """Of TensorFlow where Keras runs on it; on another backend, where a model is trained alone, a plain function."""
    serve = _serve(model)
    if keras.backend.backend() != "tensorflow":
        return serve
    import tensorflow as tf

    return tf.function(serve, input_signature=_signature(inputs, inner_names=True))


def _expected_ranges(model: Any, inputs: Sequence[TensorSpec]) -> tuple[ExpectedRange, ...]:
    """Of a single input alone: the layers of a model do not say which of several inputs they read."""
    found = expected_range(model, inputs[0].name) if len(inputs) == 1 else None
    return () if found is None else (found,)


def _check(model: Any, where: str) -> None:
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise ModelError(
            f"{where} does not say its inputs: build it from keras.Input (functional or Sequential) and save it again"
        )
    for tensor in model.inputs:
        if tensor.dtype == "string":
            raise ModelError(
                f"the input {tensor.name} of {where} takes text: take the layers that read text (TextVectorization,"
                " StringLookup) out of the model, and feed it with their output"
            )
        if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
            raise ModelError(f"the input {tensor.name} of {where} is sparse or ragged: export it with a dense input")


def _structure(model: Any) -> Any:
    """How inputs are nested: a tensor, a list or a dict."""
    functional = getattr(model, "_functional", None) or model
    return getattr(functional, "_inputs_struct", model.inputs[0] if len(model.inputs) == 1 else model.inputs)


def _input_names(model: Any) -> list[str]:
    """Keys where inputs are a dict, else the names of its tensors."""
    structure = _structure(model)
    if isinstance(structure, dict) and len(structure) == len(model.inputs):
        names = {id(tensor): key for key, tensor in structure.items()}
        return plain_names([str(names.get(id(tensor), tensor.name)) for tensor in keras.tree.flatten(structure)])
    return plain_names([tensor.name for tensor in keras.tree.flatten(structure)])


def _output_names(model: Any) -> list[str]:
    """Keys where outputs are a dict, else the names of the layers that give them."""
    functional = getattr(model, "_functional", None) or model
    structure = getattr(functional, "_outputs_struct", None)
    tensors = keras.tree.flatten(structure) if structure is not None else model.outputs
    if isinstance(structure, dict) and len(structure) == len(tensors):
        names = {id(tensor): key for key, tensor in structure.items()}
        return plain_names([str(names.get(id(tensor), f"output_{n}")) for n, tensor in enumerate(tensors)])
    known = getattr(functional, "output_names", None) or [f"output_{number}" for number in range(len(tensors))]
    return plain_names([str(name) for name in known])


def _specs(names: list[str], tensors: Any) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=name, dtype=keras.backend.standardize_dtype(each.dtype), shape=dynamic_shape(name, each.shape))
        for name, each in zip(names, tensors, strict=True)
    )


def _signature(inputs: tuple[TensorSpec, ...], *, inner_names: bool) -> list[Any]:
    import tensorflow as tf

    return [
        tf.TensorSpec(tensor_sizes(each), each.dtype, name=inner_input(number) if inner_names else each.name)
        for number, each in enumerate(inputs)
    ]


def _serve(model: Any, names: tuple[str, ...] | None = None) -> Any:
    structure = _structure(model)

    def serve(*tensors: Any) -> dict[str, Any]:
        found = keras.tree.flatten(model(keras.tree.pack_sequence_as(structure, list(tensors)), training=False))
        # a layer that does nothing would hand its input through: an output is a tensor of its own
        return {names[number] if names else inner_output(number): _own(each) for number, each in enumerate(found)}

    return serve


def _own(tensor: Any) -> Any:
    if keras.backend.backend() != "tensorflow":
        return tensor
    import tensorflow as tf

    return tf.identity(tensor)


def _save(model: Any, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], folder: Path) -> str:
    """Only Keras's own writer turns variables into constants of the TFLite file."""
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(model)
    serve = _serve(model, tuple(each.name for each in outputs))
    signature = _signature(inputs, inner_names=False)
    archive.add_endpoint("serve", tf.function(serve, input_signature=signature))
    archive.write_out(str(folder), verbose=False)
    return "serve"
