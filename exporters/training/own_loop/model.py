"""A Keras model with fake quantization, to be trained in the user's own loop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ModelError
from crossrt.exporters.tf.keras_model import keras_serving
from crossrt.exporters.training.own_loop.describing import described, network_of
from crossrt.exporters.training.qat.graph import Network
from crossrt.exporters.training.qat.model import Trainable, build
from crossrt.exporters.training.qat.reading import read_network
from crossrt.exporters.training.qat.scales.settling import settle, settled

BATCH: Final = 256
Arrays = NDArray[Any] | Mapping[str, NDArray[Any]] | Sequence[NDArray[Any]]


@keras.saving.register_keras_serializable(package="crossrt")
class QuantizationAware(keras.Model):  # type: ignore[misc]
    """What a float model computes, with the rounding that both int8 files will have.

    It takes and gives what the float model does, `(batch, ...)` in its dtypes, and is trained, saved and loaded like
    any other. Called with `training=True`, ranges of activations follow what they see, or get gradients where they are
    learned. `evaluate`, `predict` and the validation of `fit` compute as both files will; `settled` does it in a loop.
    """

    def __init__(
        self,
        network: Network | str,
        bits: int,
        seed: int,
        inputs: Sequence[Sequence[Any]],
        output: Sequence[Any],
        calibration_samples: int,
        learns_ranges: bool = False,
        name: str | None = None,
        **more: Any,
    ) -> None:
        """Builds the model; ranges are still empty.

        Args:
            network: What is computed, or its description.
            bits: Of weights.
            seed: Of dropout.
            inputs: Name, dtype and shape of each, for the files.
            output: Likewise.
            calibration_samples: How many samples gave the first ranges.
            learns_ranges: Whether ranges of activations are trained.
            name: Of the model.
            more: What Keras adds.
        """
        super().__init__(name=name, **more)
        network = network_of(network) if isinstance(network, str) else network
        about = {"bits": bits, "seed": seed, "inputs": inputs, "output": output, "learns_ranges": learns_ranges}
        self._about = json.dumps({**about, "calibration_samples": calibration_samples})
        self._parts = build(network, bits, seed, learns_ranges=learns_ranges)
        self.simulated = self._parts.model
        self.built = True

    @property
    def parts(self) -> Trainable:
        """The network and its layers."""
        return self._parts

    @property
    def input_specs(self) -> tuple[TensorSpec, ...]:
        """Inputs of the files."""
        return tuple(_spec(each) for each in json.loads(self._about)["inputs"])

    @property
    def output_specs(self) -> tuple[TensorSpec, ...]:
        """Outputs of the files."""
        return (_spec(json.loads(self._about)["output"]),)

    @property
    def calibration_samples(self) -> int:
        """How many samples gave the first ranges."""
        return int(json.loads(self._about)["calibration_samples"])

    @property
    def learns_ranges(self) -> bool:
        """Whether ranges of activations are trained with the weights."""
        return bool(json.loads(self._about)["learns_ranges"])

    def settled(self) -> AbstractContextManager[None]:
        """Within it the model computes with the scales that both files will have; afterwards they are as they were."""
        return settled(self._parts)

    def evaluate(self, *arguments: Any, **options: Any) -> Any:
        """What `keras.Model.evaluate` does, with the scales that both files will have."""
        with self.settled():
            return super().evaluate(*arguments, **options)

    def predict(self, *arguments: Any, **options: Any) -> Any:
        """What `keras.Model.predict` does, with the scales that both files will have."""
        with self.settled():
            return super().predict(*arguments, **options)

    def build(self, input_shape: Any = None) -> None:
        """Nothing: all variables are there."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Answers inputs in the structure of the float model: a tensor, a list, or a dict by name."""
        if isinstance(inputs, Mapping):
            inputs = [inputs[each.name] for each in self.input_specs]
        return self.simulated(inputs, training=training)[0]

    def get_config(self) -> dict[str, Any]:
        """What `from_config` takes: shapes and settings, no weights."""
        return {"name": self.name, "network": described(self._parts.network), **json.loads(self._about)}

    def calibrate(self, arrays: Arrays) -> None:
        """Finds first ranges of activations, with nothing rounded.

        Raises:
            DataError: The arrays do not fit.
            ExportError: A range is empty; the message names the layer.
        """
        with self._parts.calibrating():
            for batch in _batches(_in_order(arrays, self.input_specs)):
                self.simulated(batch, training=False)
        self._parts.check_ranges()
        settle(self._parts)


def quantization_aware(
    model: Any, calibration: Arrays, bits: int, seed: int, *, learns_ranges: bool = False
) -> QuantizationAware:
    """A float model with fake quantization, calibrated.

    Raises:
        DataError: Calibration samples do not fit.
        ExportError: A range is empty.
        ModelError: The model cannot be quantized.
    """
    if not isinstance(model, keras.Model):
        raise ModelError(f"{type(model).__name__} is not a Keras model: give one, or keras.saving.load_model(path)")
    if isinstance(model, QuantizationAware):
        raise ModelError(f"{model.name} has fake quantization already: train it, then call crossrt.export_quantized")
    serving = keras_serving(model, model.name)
    serving.check_weights()
    found = QuantizationAware(
        read_network(serving.keras_model, model.name),
        bits,
        seed,
        inputs=[_described(each) for each in serving.inputs],
        output=_described(serving.outputs[0]),
        calibration_samples=len(_in_order(calibration, serving.inputs)[0]),
        learns_ranges=learns_ranges,
        name=model.name,
    )
    found.calibrate(calibration)
    return found


def _described(spec: TensorSpec) -> list[Any]:
    return [spec.name, spec.dtype, list(spec.shape)]


def _spec(fields: Sequence[Any]) -> TensorSpec:
    return TensorSpec(name=fields[0], dtype=fields[1], shape=tuple(fields[2]))


def _in_order(arrays: Arrays, inputs: Sequence[TensorSpec]) -> list[NDArray[Any]]:
    """One array for each input, checked."""
    if isinstance(arrays, Mapping):
        names = [each.name for each in inputs]
        if missing := [name for name in names if name not in arrays]:
            raise DataError(f"the calibration data lack {', '.join(missing)}; found {', '.join(arrays)}")
        arrays = [arrays[name] for name in names]
    found = [np.asarray(each) for each in (arrays if isinstance(arrays, list | tuple) else [arrays])]
    shapes = [tuple(each.shape) for each in found]
    wanted = [tuple(each.shape[1:]) for each in inputs]
    if [each[1:] for each in shapes] != wanted or len({each[0] for each in shapes}) != 1 or not shapes[0][0]:
        raise DataError(
            f"calibration samples have the shapes {', '.join(map(str, shapes))}; the model takes"
            f" {', '.join(str(('samples', *each)) for each in wanted)}"
        )
    if any(each.dtype.kind == "f" and not np.isfinite(each).all() for each in found):
        raise DataError("the calibration data hold NaN or infinity: leave such samples out")
    return [each.astype(spec.dtype) for each, spec in zip(found, inputs, strict=True)]


def _batches(arrays: Sequence[NDArray[Any]]) -> Iterator[list[Any]]:
    for start in range(0, len(arrays[0]), BATCH):
        yield [keras.ops.convert_to_tensor(each[start : start + BATCH]) for each in arrays]
