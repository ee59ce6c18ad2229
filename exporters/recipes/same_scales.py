"""Recipes for two files of one Keras model that have the same scales."""

from __future__ import annotations

from typing import Literal

from crossrt.core.artifact import Quantization
from crossrt.exporters.recipes.base import RecipeBase, Samples, Seed


class _SameScales(RecipeBase, frozen=True):
    """Static quantization of a Keras model that is calibrated once for two files, which get the same scales.

    Activations are 8 bits with MinMax ranges, weights symmetric with a scale for every output channel.

    Attributes:
        weight_bits: 8, or 4, which are stored as int8.
        calibration_samples: Number of samples.
        calibration_seed: Seed of the order in which they are drawn.
    """

    weight_bits: Literal[4, 8] = 8
    calibration_samples: Samples = 1_000
    calibration_seed: Seed = 0

    @property
    def calibrated_with(self) -> tuple[int, int] | None:
        """Number of samples and seed of their order."""
        return self.calibration_samples, self.calibration_seed


class OnnxSameScales(_SameScales, frozen=True, tag="onnx-same-scales"):
    """The ONNX file (QDQ) of the two."""

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="static",
            representation="qdq",
            activation_type="uint8",
            weight_type="int8",
            granularity="per-channel",
            calibration_method="minmax",
            calibration_samples=self.calibration_samples,
        )


class TfliteSameScales(_SameScales, frozen=True, tag="tflite-same-scales"):
    """The TFLite file of the two."""

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="static",
            representation="tflite",
            activation_type="int8",
            weight_type="int8",
            granularity="per-channel",
            calibration_method="minmax",
            calibration_samples=self.calibration_samples,
        )
