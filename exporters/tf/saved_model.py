"""A SavedModel as a function with named inputs and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ModelError, first_line
from crossrt.exporters.sources.saved_model import check_graph, choose_signature
from crossrt.exporters.tf.serving import (
    Serving,
    dynamic_shape,
    inner_input,
    inner_output,
    plain_names,
    tensor_sizes,
    with_batch,
)


def saved_model_serving(folder: Path) -> Serving:
    """Loads a SavedModel and takes one of its signatures.

    Raises:
        ModelError: It is damaged, has no signature, or takes text or tensors of unknown shape.
    """
    check_graph(folder)
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow raises whatever the damaged part happens to hit
        raise ModelError(f"TensorFlow cannot load {folder}: {first_line(error)}") from error
    key, note = choose_signature(list(loaded.signatures), folder)
    signature = loaded.signatures[key]
    taken, given = signature.structured_input_signature[1], signature.structured_outputs
    inputs, outputs = _specs(taken, folder, "input"), _specs(given, folder, "output")
    function = _function(signature, list(taken), list(given), inputs)
    return Serving(
        inputs=inputs,
        outputs=outputs,
        function=function,
        save=lambda path, batch: _save(
            loaded, signature, (list(taken), list(given)), (with_batch(inputs, batch), outputs), path
        ),
        weights=lambda: ((each.name, np.asarray(each)) for each in signature.variables),
        notes=(note,) if note else (),
    )


def _specs(tensors: dict[str, Any], folder: Path, what: str) -> tuple[TensorSpec, ...]:
    for name, tensor in tensors.items():
        if tensor.dtype == tf.string:
            raise ModelError(f"the {what} {name} of {folder} is text: export the model without the part that reads it")
        if tensor.shape.rank is None:
            raise ModelError(
                f"the {what} {name} of {folder} has no shape: export it with a tf.TensorSpec of known rank"
            )
    return tuple(
        TensorSpec(name=name, dtype=tensor.dtype.name, shape=dynamic_shape(name, tensor.shape))
        for name, tensor in zip(plain_names(list(tensors)), tensors.values(), strict=True)
    )


def _signature(inputs: tuple[TensorSpec, ...], *, inner_names: bool) -> list[tf.TensorSpec]:
    return [
        tf.TensorSpec(tensor_sizes(each), each.dtype, name=inner_input(number) if inner_names else each.name)
        for number, each in enumerate(inputs)
    ]


def _function(signature: Any, taken: list[str], given: list[str], inputs: tuple[TensorSpec, ...]) -> Any:
    def serve(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        found = signature(**dict(zip(taken, tensors, strict=True)))
        return {inner_output(number): tf.identity(found[name]) for number, name in enumerate(given)}

    return tf.function(serve, input_signature=_signature(inputs, inner_names=True))


def _save(
    loaded: Any,
    signature: Any,
    names: tuple[list[str], list[str]],
    specs: tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]],
    folder: Path,
) -> str:
    (taken, given), (inputs, outputs) = names, specs

    def serve(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        found = signature(**dict(zip(taken, tensors, strict=True)))
        return {spec.name: tf.identity(found[name]) for spec, name in zip(outputs, given, strict=True)}

    module = tf.Module()
    module.loaded = loaded  # keeps its variables
    module.serve = tf.function(serve, input_signature=_signature(inputs, inner_names=False))
    tf.saved_model.save(module, str(folder), signatures={"serve": module.serve})
    return "serve"
