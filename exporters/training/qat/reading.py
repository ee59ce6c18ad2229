"""A Keras model as steps: BatchNorm folded into weights, activations joined to what they follow."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import keras

from crossrt.exporters.errors import ModelError
from crossrt.exporters.training.qat.graph import (
    Convolution,
    Dense,
    Dropout,
    FinalKind,
    Identity,
    Input,
    Island,
    Leaky,
    Network,
    Op,
    Scaling,
    Step,
    Sum,
)
from crossrt.exporters.training.qat.graph import Final as FinalOp
from crossrt.exporters.training.qat.translating import folded, island, translate

SUPPORTED: Final = (
    "Conv2D, DepthwiseConv2D, SeparableConv2D, Dense, BatchNormalization, ReLU, LeakyReLU, max, average and global"
    " pooling, Add, Concatenate, Flatten, Reshape, ZeroPadding2D, Dropout, and Rescaling or Normalization at the input"
)
_FUSES_RELU: Final = (Convolution, Dense, Scaling, Sum)
_FUNCTIONS: Final = (
    *("elu", "selu", "celu", "gelu", "silu", "swish", "mish", "softplus", "softsign", "exponential", "relu_squared"),
    *("hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "log_sigmoid", "log_softmax"),
)
"""Activations of Keras that stay in float."""
_FINAL: Final[dict[str, FinalKind]] = {"softmax": "softmax", "sigmoid": "sigmoid", "tanh": "tanh"}


def read_network(model: Any, where: str, *, is_trained: bool = True) -> Network:
    """Reads a functional or sequential model in float32.

    Args:
        model: It.
        where: What messages call it.
        is_trained: Whether it is to be trained, which takes one output.

    Raises:
        ModelError: It is sub-classed, has several outputs, uses a layer twice, or holds a layer that cannot be
            quantized; the message names the layer.
    """
    functional = getattr(model, "_functional", None) or model
    if not hasattr(functional, "_nodes_by_depth"):
        raise ModelError(
            f"{where} is a sub-classed model, whose layers cannot be followed: build it from keras.Input (functional or"
            " Sequential) for quantization-aware training"
        )
    if is_trained and len(model.outputs) != 1:
        raise ModelError(
            f"{where} has {len(model.outputs)} outputs; quantization-aware training takes a model with one output"
            " (crossrt quantize --same-scales takes several)"
        )
    reader = _Reader(functional, where)
    return reader.read()


class _Reader:
    """Walks the graph of one model, that of models in it included."""

    def __init__(self, functional: Any, where: str) -> None:
        self._functional, self._where = functional, where
        self._steps: dict[str, Step] = {}
        self._made: dict[int, str] = {}
        self._consumers: Counter[int] = Counter()
        self._notes: list[str] = []
        self._only_readers: set[str] = set()

    def read(self) -> Network:
        for place, tensor in enumerate(self._functional.inputs):
            name = self._add(str(tensor.name), Input(place=place, dtype=str(tensor.dtype)), (), tensor)
            self._made[id(tensor)] = name
        self._walk(self._functional)
        outputs = tuple(self._made[id(tensor)] for tensor in self._functional.outputs)
        self._check()
        return Network(steps=tuple(self._steps.values()), outputs=outputs, notes=tuple(self._notes))

    def _walk(self, functional: Any) -> None:
        nodes = [node for node in _in_order(functional) if not node.is_input]
        calls = Counter(id(node.operation) for node in nodes)
        for node in nodes:
            self._consumers.update(id(tensor) for tensor in node.input_tensors)
        self._consumers.update(id(tensor) for tensor in functional.outputs)
        for node in nodes:
            if calls[id(node.operation)] > 1:
                raise ModelError(
                    f"the layer {node.operation.name} of {self._where} is used {calls[id(node.operation)]} times: give"
                    " each place a layer of its own, as each needs a range of its own"
                )
            self._visit(node)

    def _visit(self, node: Any) -> None:
        operation, inputs, output = node.operation, node.input_tensors, node.output_tensors[0]
        inner = getattr(operation, "_functional", None) or operation
        if hasattr(inner, "_nodes_by_depth"):
            self._inline(inner, inputs, node.output_tensors)
            return
        kind = type(operation).__name__ if type(operation).__module__.startswith("keras.") else "custom"
        if kind in ("Dropout", "SpatialDropout2D", "InputLayer", "Identity") or self._is_linear(kind, operation):
            self._pass_on(kind, operation, inputs[0], output)
        elif kind == "BatchNormalization" and self._fold(operation, inputs[0], output):
            pass
        elif kind in ("ReLU", "LeakyReLU", "Activation", "Softmax"):
            readers = self._consumers[id(inputs[0])]
            self._activate(_activation_of(kind, operation), operation.name, inputs[0], output, readers=readers)
        else:
            self._translate(kind, operation, inputs, output)

    def _inline(self, inner: Any, inputs: Any, outputs: Any) -> None:
        """A model in the model: its layers take its place."""
        for mine, outer in zip(inner.inputs, inputs, strict=True):
            self._made[id(mine)] = self._made[id(outer)]
            self._consumers[id(mine)] += self._consumers[id(outer)] - 1
        self._walk(inner)
        for mine, outer in zip(inner.outputs, outputs, strict=True):
            self._made[id(outer)] = self._made[id(mine)]
            self._consumers[id(outer)] += self._consumers[id(mine)] - 1

    def _is_linear(self, kind: str, operation: Any) -> bool:
        return kind == "Activation" and operation.activation is keras.activations.linear

    def _pass_on(self, kind: str, operation: Any, tensor: Any, output: Any) -> None:
        source = self._made[id(tensor)]
        if kind == "Dropout":
            only = self._consumers[id(tensor)] == 1
            source = self._add(operation.name, Dropout(rate=float(operation.rate)), (source,), output, range="none")
            self._only_readers |= {source} if only else set()
        else:
            self._consumers[id(output)] += self._consumers[id(tensor)] - 1
        if kind == "SpatialDropout2D":
            self._notes.append(f"{operation.name} (SpatialDropout2D) is left out of the training")
        self._made[id(output)] = source

    def _fold(self, operation: Any, tensor: Any, output: Any) -> bool:
        """Puts a BatchNorm into the weights before it; False where there are none that only it reads."""
        name = self._made[id(tensor)]
        step = self._steps[name]
        is_last_axis = operation.axis in (-1, len(tensor.shape) - 1)
        if not isinstance(step.op, Convolution | Dense) or step.relu is not None or self._consumers[id(tensor)] > 1:
            return False
        if not is_last_axis or (isinstance(step.op, Convolution) and step.op.is_constant):
            return False
        self._steps[name] = dataclasses.replace(step, op=folded(step.op, operation))
        self._made[id(output)] = name
        return True

    def _translate(self, kind: str, operation: Any, inputs: Any, output: Any) -> None:
        sources = tuple(self._made[id(tensor)] for tensor in inputs)
        parts = translate(kind, operation, inputs, output)
        if parts is None and kind != "custom":
            parts = island(operation, inputs, output)
        if parts is None:
            raise ModelError(self._refusal(operation))
        if isinstance(parts[0].op, Sum):
            sources = self._two_by_two(operation.name, sources, output)
        for part in parts:
            if isinstance(part.op, Scaling | Island):
                self._leave_in_float(operation, sources[0], inputs[0], is_island=isinstance(part.op, Island))
            name = self._add(
                f"{operation.name}{part.suffix}", part.op, sources, output, shape=part.shape, range=part.range
            )
            sources = (name,)
        self._made[id(output)] = sources[0]
        activation = None if isinstance(parts[0].op, Island) else getattr(operation, "activation", None)
        if activation is not None and activation is not keras.activations.linear:
            self._activate(_activation_of("Activation", operation), operation.name, output, output, readers=1)

    def _refusal(self, operation: Any) -> str:
        kind = type(operation).__name__
        if not isinstance(operation, keras.layers.Layer):
            return (
                f"the operation {kind} ({operation.name}) of {self._where} stands outside of any layer: use a layer of"
                " Keras in its place"
            )
        why = "code of its own" if kind == "Lambda" or not type(operation).__module__.startswith("keras.") else "loops"
        return (
            f"the layer {operation.name} ({kind}) of {self._where} has {why}, which cannot be written to both files:"
            f" use layers of Keras in its place; quantized are {SUPPORTED}; most others stay in float"
        )

    def _two_by_two(self, name: str, sources: tuple[str, ...], output: Any) -> tuple[str, ...]:
        """The last two that are added, once all others are."""
        total = sources[0]
        for number, source in enumerate(sources[1:-1]):
            total = self._add(f"{name}_{number}", Sum(), (total, source), output)
        return total, sources[-1]

    def _leave_in_float(self, operation: Any, source: str, tensor: Any, *, is_island: bool) -> None:
        """Says that a layer stays in float; between two such layers nothing is quantized."""
        kernels = " (in TFLite where that has no integer kernel for it)" if is_island else ""
        self._notes.append(f"{operation.name} ({type(operation).__name__}) stays in float{kernels}")
        self._stay_in_float(source, tensor)

    def _stay_in_float(self, source: str, tensor: Any) -> None:
        """Leaves out the rounding between what is in float and a layer in float that alone reads it."""
        step = self._steps[source]
        if isinstance(step.op, Input | Scaling | Island) and step.relu is None and self._consumers[id(tensor)] == 1:
            self._steps[source] = dataclasses.replace(step, range="none")

    def _activate(self, activation: tuple[str, float], layer: str, tensor: Any, output: Any, *, readers: int) -> None:
        """A function of a tensor that so many read."""
        kind, number = activation
        source = self._made[id(tensor)]
        step = self._steps[source]
        if kind == "relu":
            if isinstance(step.op, Dropout) and source in self._only_readers:
                step = self._steps[step.inputs[0]]  # a ReLU before a dropout gives the same as behind it
            if isinstance(step.op, _FUSES_RELU) and step.relu is None and readers == 1:
                self._steps[step.name] = dataclasses.replace(step, relu=number)
            else:
                source = self._add(f"{layer}_relu", Identity(), (source,), output, relu=number)
        elif kind == "leaky":
            source = self._add(f"{layer}_leaky", Leaky(slope=number), (source,), output)
        elif kind in _FINAL:
            final = FinalOp(kind=_FINAL[kind])
            source = self._add(f"{layer}_{kind}", final, (source,), output, range="fixed")
        else:
            source = self._function(kind, layer, tensor, output)
        self._made[id(output)] = source

    def _function(self, kind: str, layer: str, tensor: Any, output: Any) -> str:
        """An activation that stays in float."""
        if kind not in _FUNCTIONS:
            raise ModelError(
                f"the activation {kind} of the layer {layer} of {self._where} is not one of Keras's, or has options:"
                " it cannot be written to both files"
            )
        self._notes.append(
            f"the activation {kind} of {layer} stays in float (in TFLite where that has no integer kernel for it)"
        )
        source, op = self._made[id(tensor)], Island(layer=keras.layers.Activation(kind))
        if isinstance(self._steps[source].op, Island):
            self._stay_in_float(source, tensor)
        return self._add(f"{layer}_{kind}", op, (source,), output)

    def _add(self, name: str, op: Op, inputs: tuple[str, ...], tensor: Any, **more: Any) -> str:
        shape = more.pop("shape", None) or tuple(tensor.shape[1:])
        if any(size is None for size in shape):
            raise ModelError(
                f"the shape {tuple(tensor.shape)} at the layer {name} of {self._where} is not fixed: build the model"
                " with a fixed input shape for quantization-aware training"
            )
        unique, number = name, 0
        while unique in self._steps:
            number += 1
            unique = f"{name}_{number}"
        self._steps[unique] = Step(name=unique, op=op, inputs=inputs, shape=shape, **more)
        return unique

    def _check(self) -> None:
        for step in self._steps.values():
            if isinstance(step.op, Input) and not step.op.dtype.startswith("float") and step.range != "none":
                raise ModelError(
                    f"the input {step.name} of {self._where} is {step.op.dtype}: float32 is expected, or a Rescaling"
                    " layer as the first one"
                )
        ops = [step.op for step in self._steps.values()]
        if not any(isinstance(op, Dense) or (isinstance(op, Convolution) and not op.is_constant) for op in ops):
            raise ModelError(f"{self._where} has no Conv2D, DepthwiseConv2D or Dense layer: nothing can be trained")


def _in_order(functional: Any) -> Iterator[Any]:
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from functional._nodes_by_depth[depth]


def _activation_of(kind: str, layer: Any) -> tuple[str, float]:
    """Which function, with its upper end or slope."""
    if kind == "ReLU":
        slope, most = float(layer.negative_slope or 0), layer.max_value
        if float(layer.threshold or 0) or (slope and most is not None):
            return "ReLU with a threshold, or with a slope and a largest value", 0
        return ("leaky", slope) if slope else ("relu", float("inf") if most is None else float(most))
    if kind == "LeakyReLU":
        return "leaky", float(layer.negative_slope)
    if kind == "Softmax":
        return ("softmax" if layer.axis in (-1, 1) else "softmax along an inner axis"), 0
    name = str(getattr(layer.activation, "__name__", layer.activation))
    if name == "relu":
        return "relu", float("inf")
    if name == "relu6":
        return "relu", 6.0
    return ("leaky", 0.2) if name == "leaky_relu" else (name, 0)
