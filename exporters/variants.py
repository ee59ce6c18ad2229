"""The variants that the main job builds, each with the settings that a reader of its library's docs expects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exporters import mnist
from exporters.artifact import ModelFormat, Quantization

CALIBRATION_SAMPLES = 1_000
CALIBRATION_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A kind of model file that can be built; `quantization` is None for float32."""

    name: str
    format: ModelFormat
    quantization: Quantization | None = None

    @property
    def file_suffix(self) -> str:
        """`.onnx` or `.tflite`."""
        return f".{self.format}"

    def quantization_record(self) -> Quantization | None:
        """The quantization with the hash of the digits that calibrate it, for the manifest."""
        how = self.quantization
        if how is None or not how.calibration_samples:
            return how
        return replace(how, calibration_sha256=calibration_sha256(how.calibration_samples))


_ORT_STATIC = Quantization(
    scheme="static",
    representation="qdq",
    activation_type="uint8",
    weight_type="int8",
    granularity="per-channel",
    calibration_method="minmax",
    calibration_samples=CALIBRATION_SAMPLES,
)
_TFLITE_STATIC = replace(_ORT_STATIC, representation="tflite", activation_type="int8")
_TFLITE_DYNAMIC = Quantization(
    scheme="dynamic",
    representation="tflite",
    activation_type="int8",
    weight_type="int8",
    granularity="per-channel",
)

VARIANTS: tuple[Variant, ...] = (
    Variant(name="fp32", format="onnx"),
    Variant(name="int8-qdq", format="onnx", quantization=_ORT_STATIC),
    Variant(name="int8-qoperator", format="onnx", quantization=replace(_ORT_STATIC, representation="qoperator")),
    Variant(
        name="int8-dynamic",
        format="onnx",
        quantization=Quantization(
            scheme="dynamic",
            representation="qoperator",
            activation_type="uint8",
            weight_type="uint8",
            granularity="per-tensor",
            symmetric_weights=False,
        ),
    ),
    Variant(name="fp32", format="tflite"),
    Variant(
        name="fp16",
        format="tflite",
        quantization=Quantization(
            scheme="float16",
            representation="tflite",
            activation_type=None,
            weight_type="float16",
            granularity="per-tensor",
        ),
    ),
    Variant(name="int8-dynamic", format="tflite", quantization=_TFLITE_DYNAMIC),
    Variant(name="int8", format="tflite", quantization=_TFLITE_STATIC),
    Variant(name="int8-io", format="tflite", quantization=replace(_TFLITE_STATIC, io_dtype="int8")),
)


def calibration_digits(count: int) -> NDArray[np.float32]:
    """`count` shipped training digits in a fixed random order, float32 `(count, 28, 28, 1)`."""
    digits = mnist.shipped("train").as_input()
    order = np.random.default_rng(CALIBRATION_SEED).permutation(len(digits))
    return np.ascontiguousarray(digits[order[:count]])


def calibration_sha256(count: int) -> str:
    """Hash of the float32 bytes of `calibration_digits(count)`."""
    return hashlib.sha256(calibration_digits(count).tobytes()).hexdigest()
