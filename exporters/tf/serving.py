"""A model as TensorFlow runs it, whatever it was saved as: one function with named inputs and outputs.

Inside the graph inputs are called `in_00`, `in_01` and outputs `out_00`, so that no name is changed by TensorFlow and
their order is kept; files get the names of the specs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossrt.core.tensor import Batching, Dimension, ExpectedRange, TensorSpec, batching_of
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.errors import ModelError
from crossrt.exporters.inspection import SourceKind

BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A loaded model.

    Attributes:
        inputs: Its inputs.
        outputs: Its outputs.
        function: A `tf.function` from tensors in the order of `inputs` to `{"out_00": ...}`.
        save: Writes a SavedModel in the names of the specs, with a fixed batch where a size is given; gives the key of
            its signature.
        weights: Names and values of the weights.
        notes: What a reader must know.
        keras_model: The Keras model, where it is one.
        preprocessing: What the first layers do.
        expected_ranges: The values that they expect.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    function: Any
    save: Callable[[Path, int | None], str]
    weights: Callable[[], Iterable[tuple[str, np.ndarray[Any, Any]]]]
    notes: tuple[str, ...] = ()
    keras_model: Any = None
    preprocessing: tuple[str, ...] = ()
    expected_ranges: tuple[ExpectedRange, ...] = ()

    @property
    def batching(self) -> Batching:
        """How samples lie in the inputs."""
        return batching_of(self.inputs)

    def predict(self, feeds: Arrays) -> Arrays:
        """Runs the model once."""
        import tensorflow as tf

        found = self.function(*(tf.constant(feeds[spec.name]) for spec in self.inputs))
        return {spec.name: found[inner_output(number)].numpy() for number, spec in enumerate(self.outputs)}

    def has_loops(self) -> bool:
        """True if the graph holds a loop, as recurrent layers make it."""
        graph = self.function.get_concrete_function().graph.as_graph_def()
        nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
        return any(node.op in ("While", "StatelessWhile") for node in nodes)

    def check_weights(self) -> None:
        """Refuses a model that can answer nothing but NaN.

        Raises:
            ModelError: A weight holds NaN or infinity.
        """
        if (name := self.bad_weight()) is not None:
            raise ModelError(
                f"the weights {name} hold NaN or infinity: the model answers nothing useful; train it again"
            )

    def check_float(self) -> None:
        """Refuses a model that Keras quantized.

        Raises:
            ModelError: A weight is int8.
        """
        if (name := self.integer_weight()) is not None:
            raise ModelError(
                f"the weights {name} are int8 already (Keras's quantize), and TFLite has no operator for such products:"
                " save the model before model.quantize() and let crossrt quantize it"
            )

    def integer_weight(self) -> str | None:
        """The first weight in int8, as Keras's own quantize writes them."""
        return next((name for name, values in self.weights() if values.dtype.name in ("int8", "uint8")), None)

    def bad_weight(self) -> str | None:
        """The first weight that holds NaN or infinity."""
        for name, values in self.weights():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                return name
        return None


def inner_input(number: int) -> str:
    """The name of an input inside the graph."""
    return f"in_{number:02}"


def inner_output(number: int) -> str:
    """The name of an output inside the graph; sorted as numbered, which is how TensorFlow orders a dict."""
    return f"out_{number:02}"


def plain_names(names: Sequence[str]) -> list[str]:
    """Names that every format can hold, each once: letters, digits and `_`."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]+", "_", name.partition(":")[0]).strip("_") or "tensor"
        plain = f"x_{plain}" if plain[0].isdigit() else plain
        number, unique = 0, plain
        while unique in found:
            number += 1
            unique = f"{plain}_{number}"
        found.append(unique)
    return found


def dynamic_shape(name: str, sizes: Iterable[int | None], *, is_batched: bool = True) -> tuple[Dimension, ...]:
    """A shape with names for dimensions that are not fixed: `batch` for the first one, if it is the batch."""
    return tuple(
        (BATCH if axis == 0 and is_batched else f"{name}[{axis}]") if size is None else int(size)
        for axis, size in enumerate(sizes)
    )


def with_batch(inputs: Sequence[TensorSpec], batch: int | None) -> tuple[TensorSpec, ...]:
    """Inputs with a fixed batch of a size, or as they are."""
    dimension = batching_of(inputs).dimension
    return (
        tuple(inputs)
        if batch is None or dimension is None
        else tuple(each.bound({dimension: batch}) for each in inputs)
    )


def tensor_sizes(spec: TensorSpec) -> tuple[int | None, ...]:
    """A shape in TensorFlow's words."""
    return tuple(size if isinstance(size, int) else None for size in spec.shape)


def load_serving(path: Path, kind: SourceKind) -> Serving:
    """Loads a model that TensorFlow runs.

    Raises:
        ModelError: It cannot be loaded, or has inputs that are not plain tensors.
    """
    if kind == "saved-model":
        from crossrt.exporters.tf.saved_model import saved_model_serving

        return saved_model_serving(path)
    from crossrt.exporters.sources import keras_file, keras_h5
    from crossrt.exporters.tf.keras_model import keras_serving

    load = keras_h5.load if kind == "keras-h5" else keras_file.load
    return keras_serving(load(path), str(path))
