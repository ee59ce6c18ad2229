"""Recipes that make shorter floats of an ONNX file's."""

from __future__ import annotations

from crossrt.core.artifact import Quantization
from crossrt.exporters.recipes.base import Names, RecipeBase


class OnnxFloat16(RecipeBase, frozen=True, tag="onnx-float16"):
    """Weights and activations in float16; inputs and outputs stay float32."""

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="float16",
            representation="onnx",
            activation_type="float16",
            weight_type="float16",
            granularity="per-tensor",
        )


class OnnxFloat8(RecipeBase, frozen=True, tag="onnx-float8"):
    """Weights of layers in FP8 (E4M3), made float32 by DequantizeLinear: for accuracy alone, as no CPU computes so.

    Attributes:
        per_channel: A scale for every output channel of a weight.
        nodes_to_exclude: Names of nodes that stay in float32.
    """

    per_channel: bool = True
    nodes_to_exclude: Names = ()

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="weight-only",
            representation="qdq",
            activation_type=None,
            weight_type="float8e4m3fn",
            granularity="per-channel" if self.per_channel else "per-tensor",
        )
