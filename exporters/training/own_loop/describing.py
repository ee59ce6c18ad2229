"""A network as JSON, so that a Keras file can hold it.

Kernels and biases are variables, of which shapes are enough; a layer that stays in float is described as Keras does it,
and its weights are variables, too.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from crossrt.exporters.errors import ModelError
from crossrt.exporters.training.qat import graph
from crossrt.exporters.training.qat.graph import Dropout, Island, Network, Step

_OPS: Final[Mapping[str, type[Any]]] = {
    each.__name__: each
    for each in (
        *(graph.Input, graph.Convolution, graph.Dense, graph.Scaling, graph.Sum, graph.Concatenation, graph.Pool),
        *(graph.GlobalPool, graph.Reshape, graph.Pad, graph.Identity, graph.Leaky, graph.Final, Dropout, Island),
    )
}
_VARIABLES: Final = ("kernel", "bias")


def described(network: Network) -> str:
    """The network as JSON."""
    steps = [
        {**{name: _plain(name, value) for name, value in _fields(step).items() if name != "op"}, "op": _op(step.op)}
        for step in network.steps
    ]
    return json.dumps({"steps": steps, "output": network.output, "notes": network.notes})


def network_of(text: str) -> Network:
    """The network that JSON describes; its kernels and biases are zeros.

    Raises:
        ModelError: It is damaged.
    """
    try:
        found = json.loads(text)
        steps = tuple(_step(each) for each in found["steps"])
        _build_islands(steps)
        return Network(steps=steps, outputs=(found["output"],), notes=tuple(found["notes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"the Keras file does not hold a network that crossrt wrote ({error})") from error


def _fields(record: Any) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in dataclasses.fields(record)}


def _op(op: Any) -> dict[str, Any]:
    return {"computes": type(op).__name__, **{name: _plain(name, value) for name, value in _fields(op).items()}}


def _plain(name: str, value: Any) -> Any:
    if name == "layer":
        import keras

        return keras.saving.serialize_keras_object(value)
    if isinstance(value, np.ndarray):
        numbers = None if name in _VARIABLES else [float(each) for each in value.ravel()]
        return {"shape": list(value.shape), "values": numbers}
    return "inf" if value == float("inf") else value


def _step(fields: Mapping[str, Any]) -> Step:
    op = dict(fields["op"])
    kind = _OPS[op.pop("computes")]
    made = (
        Island(layer=_layer(op["layer"]))
        if kind is Island
        else kind(**{name: _value(value) for name, value in op.items()})
    )
    return Step(**{**{name: _value(value) for name, value in fields.items() if name != "op"}, "op": made})


def _layer(config: Any) -> Any:
    import keras

    found = keras.saving.deserialize_keras_object(config, safe_mode=True)
    if not isinstance(found, keras.layers.Layer):
        raise TypeError(f"{type(found).__name__} is not a layer of Keras")
    return found


def _build_islands(steps: tuple[Step, ...]) -> None:
    """Makes the variables of layers that stay in float, which a file fills."""
    shapes = {step.name: step.shape for step in steps}
    for step in steps:
        if isinstance(step.op, Island):
            import keras

            tensors = [keras.Input(shapes[name]) for name in step.inputs]
            step.op.layer(tensors[0] if len(tensors) == 1 else tensors)


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        values = value["values"]
        shape = tuple(value["shape"])
        return np.zeros(shape, np.float32) if values is None else np.array(values, np.float32).reshape(shape)
    if isinstance(value, list):
        return tuple(_value(each) for each in value)
    return float("inf") if value == "inf" else value
