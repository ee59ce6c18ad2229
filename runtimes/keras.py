"""Models of Keras and SavedModels on TensorFlow itself: what the exported files are compared with.

The process that measures is TensorFlow's own here. No other runtime's process imports it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

# before the import
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = f"{os.devnull}/keras"  # a keras.json of the user's would change dtypes and layouts
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import tensorflow as tf

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.errors import ModelRefusedError, OptionRefusedError
from crossrt.runtimes.fit import check_fit
from crossrt.runtimes.protocol import Feeds, Outputs, SessionOptions
from crossrt.runtimes.saved_model import SavedModel
from crossrt.runtimes.session import BaseSession, one_line
from crossrt.runtimes.specs import NUMPY_DTYPES, unsupported


class Keras:
    """TensorFlow on the CPU, through a compiled function of the model at one batch size.

    TensorFlow hands each call to its pool of inter-op threads, while the caller's waits.
    """

    name = "keras"
    formats: tuple[ModelFormat, ...] = ("keras", "saved-model")

    def version(self) -> str:
        """Version of Keras and of TensorFlow."""
        return f"{keras.__version__}+tensorflow{tf.__version__}"

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """Models without text, at a batch size that they have."""
        return unsupported(artifact, options, formats=self.formats, dtypes=NUMPY_DTYPES - {"str"})

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> KerasSession:
        """Loads a Keras file or a SavedModel and traces it with its dynamic dimensions fixed.

        Raises:
            ModelRefusedError: It cannot be loaded, or it is not what the artifact says.
            OptionRefusedError: The batch size cannot be run, a dimension of an input has no size, or this process runs
                with another number of threads already.
        """
        return KerasSession(artifact, options)


class KerasSession(BaseSession):
    """A concrete `tf.function` over a loaded model.

    It is the fastest way to call a model that Keras and TensorFlow document without another compiler (XLA):
    `predict_on_batch` calls the same kind of function, with Python of its own around it.
    """

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        super().__init__(artifact, options)
        _set_threads(options)
        own = self._specs.own_inputs
        model = SavedModel(artifact) if artifact.format == "saved-model" else _KerasModel(artifact)
        model.check_fit(own)
        try:
            function = _traced(model.call, own)
        except Exception as error:  # whatever a layer hits
            raise ModelRefusedError(f"TensorFlow cannot trace {artifact.path.name}: {one_line(error)}") from error
        self._function: Callable[..., Sequence[Any]] | None = function
        self._model: object = model  # a function does not keep the variables of its SavedModel alive
        self._into = [(spec.name, convert) for spec, convert in zip(self.inputs, self._input_conversions, strict=True)]
        self._out_of = [
            (spec.name, convert) for spec, convert in zip(self.outputs, self._output_conversions, strict=True)
        ]

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch."""
        function = self._function
        if function is None:
            raise self._closed()
        self._check(feeds)
        try:
            tensors = [
                tf.constant(feeds[name] if convert is None else convert(feeds[name])) for name, convert in self._into
            ]
            found = function(*tensors)
        except tf.errors.OpError as error:
            raise self._failed(error) from error
        return {
            name: tensor.numpy() if convert is None else convert(tensor.numpy())
            for (name, convert), tensor in zip(self._out_of, found, strict=True)
        }

    def executed_operators(self) -> tuple[str, ...] | None:
        """Nothing: TensorFlow optimizes a function when it first runs, and does not tell what became of it."""
        if self._function is None:
            raise self._closed()
        return None

    def close(self) -> None:
        """Drops the function, and the model with it."""
        self._function = self._model = None


def _set_threads(options: SessionOptions) -> None:
    """Says how many threads TensorFlow may start, which it does once in the life of a process."""
    threading = tf.config.threading
    for name, wanted, get, set_to in (
        (
            "intra_op_threads",
            options.intra_op_threads,
            threading.get_intra_op_parallelism_threads,
            threading.set_intra_op_parallelism_threads,
        ),
        (
            "inter_op_threads",
            options.inter_op_threads,
            threading.get_inter_op_parallelism_threads,
            threading.set_inter_op_parallelism_threads,
        ),
    ):
        try:
            set_to(wanted)
        except RuntimeError as error:
            raise OptionRefusedError(
                f"TensorFlow starts its threads once a process: {name} is {get()} in this one, found {wanted}"
            ) from error


class _KerasModel:
    """A model of Keras: names are the record's, in its order."""

    def __init__(self, artifact: ModelArtifact) -> None:
        self._artifact = artifact
        try:
            self._model: Any = keras.saving.load_model(artifact.path, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises whatever the damaged part happens to hit
            raise ModelRefusedError(f"Keras cannot load {artifact.path.name}: {one_line(error)}") from error

    def check_fit(self, own: Sequence[TensorSpec]) -> None:
        """Raises `ModelRefusedError` where the file is not what the artifact says."""
        taken, given = keras.tree.flatten(self._structure), self._model.outputs
        names = _names(own, taken)
        dtypes = [keras.backend.standardize_dtype(each.dtype) for each in taken]
        found = {name: (dtype, tuple(each.shape)) for name, dtype, each in zip(names, dtypes, taken, strict=True)}
        check_fit(self._artifact, own, found, _names(self._artifact.outputs, given))

    @property
    def _structure(self) -> Any:
        """How inputs are nested: a tensor, a list or a dict."""
        model = self._model
        functional = getattr(model, "_functional", None) or model
        return getattr(functional, "_inputs_struct", model.inputs[0] if len(model.inputs) == 1 else model.inputs)

    def call(self, tensors: Sequence[Any]) -> Sequence[Any]:
        """Outputs of the record, in order, of inputs in order."""
        found = self._model(keras.tree.pack_sequence_as(self._structure, list(tensors)), training=False)
        flat: Sequence[Any] = keras.tree.flatten(found)
        return flat


def _names(specs: Sequence[TensorSpec], tensors: Sequence[Any]) -> list[str]:
    """Names of the record for as many tensors; those of the file where it has more or fewer."""
    return [str(each.name) for each in (specs if len(specs) == len(tensors) else tensors)]


def _traced(call: Callable[[Sequence[Any]], Sequence[Any]], own: Sequence[TensorSpec]) -> Callable[..., Sequence[Any]]:
    """A call as a function of tensors of these shapes, in order."""

    def called(*tensors: Any) -> list[Any]:
        return [tf.identity(each) for each in call(tensors)]

    signature = [tf.TensorSpec(spec.shape, spec.dtype) for spec in own]
    concrete: Callable[..., Sequence[Any]] = tf.function(called, input_signature=signature).get_concrete_function()
    return concrete
