"""What an exporter hands on: one model file and everything a runtime must know about it.

The records are plain dataclasses, so that a measuring process needs nothing but numpy and its runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ModelFormat = Literal["onnx", "tflite"]
Scheme = Literal["static", "dynamic", "weight-only", "float16"]
Representation = Literal["qdq", "qoperator", "onnx", "tflite"]
Granularity = Literal["per-tensor", "per-channel", "per-block"]
CalibrationMethod = Literal["minmax", "moving-average", "entropy", "percentile", "distribution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: The name by which feeds and outputs are keyed.
        dtype: A numpy dtype name, such as `float32` or `int8`.
        shape: One entry per dimension; `None` is a dynamic dimension.
        scale: Real value of one integer step, for integer tensors: `real = scale * (q - zero_point)`.
        zero_point: The integer that stands for 0.0, for integer tensors.
        step: Scale of the integers that a float32 output is made from, where the file dequantizes it last.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    scale: float | None = None
    zero_point: int | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How a variant was quantized, in the words of the ONNX Runtime and LiteRT documentation.

    Attributes:
        scheme: `static` (calibrated), `dynamic` (activations quantized at run time), `weight-only` or `float16`.
        representation: How the file says it: `qdq`, `qoperator`, `onnx` (plain float operators) or `tflite`.
        activation_type: numpy dtype name of quantized activations, or None where they stay in float.
        weight_type: numpy dtype name of quantized weights.
        granularity: One scale per tensor, per output channel or per block, for weights.
        symmetric_activations: True if the activations' zero point is fixed at the middle of the range.
        symmetric_weights: True if the weights' zero point is 0.
        reduce_range: True if the weights use 7 of their 8 bits.
        calibration_method: How ranges were found, or None where nothing is calibrated.
        calibration_samples: Number of digits used for calibration.
        calibration_sha256: Hash of those digits' float32 bytes, in order.
        io_dtype: dtype of the model's own inputs and outputs.
        hazards: What is known to make such a file answer wrongly, each with the cure.
        recipe: All that was asked of the quantizer, as in a file of recipes.
    """

    scheme: Scheme
    representation: Representation
    activation_type: str | None
    weight_type: str
    granularity: Granularity
    symmetric_activations: bool = False
    symmetric_weights: bool = True
    reduce_range: bool = False
    calibration_method: CalibrationMethod | None = None
    calibration_samples: int = 0
    calibration_sha256: str | None = None
    io_dtype: str = "float32"
    hazards: tuple[str, ...] = ()
    recipe: Mapping[str, str | int | float | bool | list[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArtifact:
    """One model file on disk, ready for any runtime that reads its format.

    Attributes:
        model: Name of the model, such as `mnist-cnn`.
        variant: Name of the variant, such as `fp32` or `int8-qdq`.
        format: File format.
        path: The model file.
        sha256: Hash of the file's bytes.
        size_bytes: Size of the file.
        inputs: The model's own inputs, batch dimension first.
        outputs: The model's own outputs, batch dimension first.
        quantization: How it was quantized, or None for float32.
        producer: Versions of the packages that made it.
        model_sha256: Hash of the Keras file that it was made from.
    """

    model: str
    variant: str
    format: ModelFormat
    path: Path
    sha256: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    quantization: Quantization | None
    producer: Mapping[str, str]
    model_sha256: str

    @property
    def id(self) -> str:
        """`<model>.<variant>.<format>`: unique among the artifacts of a run."""
        return f"{self.model}.{self.variant}.{self.format}"


def artifact_from_fields(fields: Mapping[str, Any]) -> ModelArtifact:
    """Rebuilds an artifact from the JSON object that `dataclasses.asdict` of one gave (path as text)."""
    return ModelArtifact(
        **{
            **fields,
            "path": Path(fields["path"]),
            "inputs": tuple(_tensor_spec(spec) for spec in fields["inputs"]),
            "outputs": tuple(_tensor_spec(spec) for spec in fields["outputs"]),
            "quantization": _quantization(fields["quantization"]),
        }
    )


def _quantization(fields: Mapping[str, Any] | None) -> Quantization | None:
    return Quantization(**{**fields, "hazards": tuple(fields["hazards"])}) if fields else None


def _tensor_spec(fields: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(**{**fields, "shape": tuple(fields["shape"])})


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes, as lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLogits:
    """What the Keras model itself answers to the test digits: every artifact is held against it.

    Attributes:
        model: Name of the model.
        path: A `.npy` file of float32 `(10000, 10)`.
        sha256: Hash of the file's bytes.
        model_sha256: Hash of the Keras file.
        data_sha256: Hash of the test digits' files.
        producer: Versions of the packages that made it.
    """

    model: str
    path: Path
    sha256: str
    model_sha256: str
    data_sha256: str
    producer: Mapping[str, str]

    @property
    def id(self) -> str:
        """`<model>.reference`: no artifact has this id, for those end in a format."""
        return f"{self.model}.reference"
