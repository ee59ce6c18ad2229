"""Recipes that another library carries out: NNCF over ONNX files, litert-quantizer over TFLite files.

Names follow the arguments of `nncf.quantize`, `nncf.compress_weights` and litert-quantizer's recipes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from crossrt.core.artifact import Granularity, Quantization
from crossrt.exporters.recipes.base import Names, RecipeBase, Samples, Seed

Alpha = Annotated[float, Meta(ge=0, le=1)]
Share = Annotated[float, Meta(gt=0, le=1)]
Drop = Annotated[float, Meta(ge=0, le=100)]
_PLAIN: dict[str, Granularity] = {"per-tensor": "per-tensor", "per-channel": "per-channel"}


class OnnxNncf(RecipeBase, frozen=True, tag="onnx-nncf"):
    """Static quantization by NNCF (`nncf.quantize`), on request with accuracy control.

    Attributes:
        preset: `performance` has symmetric activations, `mixed` asymmetric ones.
        transformer: Patterns of transformers stay in float, and SmoothQuant moves outliers of activations into weights
            (`ModelType.TRANSFORMER`).
        bias_correction: `fast` shifts biases by the mean error of each layer, `full` layer by layer behind those that
            are quantized already, `none` leaves them.
        range_estimator: How the range of an activation follows from what was observed; `default` averages over samples.
        smooth_quant_alpha: How much of the outliers of matrix products moves into the weights, from 0 to 1.
        channel_alignment: Scales the channels of convolutions that follow each other alike.
        overflow_fix: Weights of the first layer, or of all, in 7 bits, for processors whose 16-bit sums saturate.
        accuracy_control: Layers go back to float, those that cost most first, as long as more validation samples than
            `max_drop_pp` allows are not answered like the float model (`nncf.quantize_with_accuracy_control`).
        max_drop_pp: How many percentage points of them; of `accuracy_control` alone.
        validation_samples: Number of samples for that; they come behind those that calibrate.
        calibration_samples: Number of samples that are calibrated with.
        calibration_seed: Seed of the order in which they are drawn.
        nodes_to_exclude: Names of nodes that stay in float.
    """

    preset: Literal["performance", "mixed"] = "performance"
    transformer: bool = False
    bias_correction: Literal["fast", "full", "none"] = "fast"
    range_estimator: Literal[
        "default", "minmax", "mean-minmax", "median-minmax", "mean-no-outliers", "mean-quantile", "histogram"
    ] = "default"
    smooth_quant_alpha: Alpha = 0.95
    channel_alignment: bool = False
    overflow_fix: Literal["none", "first-layer", "all"] = "none"
    accuracy_control: bool = False
    max_drop_pp: Drop = 0.2
    validation_samples: Samples = 1_000
    calibration_samples: Samples = 300
    calibration_seed: Seed = 0
    nodes_to_exclude: Names = ()

    @property
    def calibrated_with(self) -> tuple[int, int] | None:
        """Number of samples, those that validate included, and seed of their order."""
        validating = self.validation_samples if self.accuracy_control else 0
        return self.calibration_samples + validating, self.calibration_seed

    @property
    def needs(self) -> tuple[str, ...]:
        """What carries it out."""
        return ("nncf",)

    def quantization(self) -> Quantization:
        """What is known before it has run; the file tells the rest."""
        return Quantization(
            scheme="static",
            representation="qdq",
            activation_type="int8" if self.preset == "performance" else "uint8",
            weight_type="int8",
            granularity="per-channel",
            symmetric_activations=self.preset == "performance",
            calibration_method="minmax" if self.range_estimator == "minmax" else None,
            calibration_samples=self.calibration_samples,
        )


class OnnxNncfWeights(RecipeBase, frozen=True, tag="onnx-nncf-weights"):
    """Weights of matrix products in 8 or 4 bits by NNCF (`nncf.compress_weights`); all else stays in float.

    Attributes:
        mode: Bits, and whether zero points are stored.
        group_size: How many weights share a scale, with 4 bits; a weight that it does not divide stays in 8 bits.
        ratio: Share of the weights that get 4 bits; the others get 8.
        all_layers: The last layer and embeddings get 4 bits as well.
        awq: Scales channels so that weights on which large activations act lose least (Lin et al. 2024).
        scale_estimation: Fits scales to the layer's output.
        calibration_samples: Number of samples, for `awq`, `scale_estimation` and ratios below 1.
        calibration_seed: Seed of the order in which they are drawn.
        nodes_to_exclude: Names of nodes that stay in float.
    """

    mode: Literal["int8_asym", "int8_sym", "int4_sym"] = "int4_sym"
    group_size: Literal[16, 32, 64, 128, 256] = 32
    ratio: Share = 1.0
    all_layers: bool = True
    awq: bool = False
    scale_estimation: bool = False
    calibration_samples: Samples = 128
    calibration_seed: Seed = 0
    nodes_to_exclude: Names = ()

    @property
    def calibrated_with(self) -> tuple[int, int] | None:
        """Number of samples and seed of their order, where activations are looked at."""
        looks = self.awq or self.scale_estimation or self.ratio < 1
        return (self.calibration_samples, self.calibration_seed) if looks else None

    @property
    def needs(self) -> tuple[str, ...]:
        """What carries it out."""
        return ("nncf",)

    def quantization(self) -> Quantization:
        """What is known before it has run; the file tells the rest."""
        return Quantization(
            scheme="weight-only",
            representation="qdq",
            activation_type=None,
            weight_type="uint8" if self.mode == "int8_asym" else self.mode.partition("_")[0],
            granularity="per-block" if self.mode == "int4_sym" else "per-channel",
            symmetric_weights=self.mode != "int8_asym",
            calibration_samples=self.calibration_samples if self.calibrated_with else 0,
        )


class TfliteLitert(RecipeBase, frozen=True, tag="tflite-litert"):
    """Quantization of a float TFLite file by litert-quantizer.

    Attributes:
        scheme: `static` calibrates activations, `dynamic` quantizes them at every call, `weight-only` computes in
            float.
        algorithm: How scales of weights are found: `minmax`, `mse` (least squared error), `octav` (clipping by Sakr et
            al. 2022) or `gptq` (Frantar et al. 2022; calibrated, dense layers only).
        weight_bits: Bits of a weight.
        activation_bits: Bits of an activation, with `static`; 8 have zero points, 16 have none.
        granularity: One scale a tensor, an output channel, or a block of so many weights.
        float_io: Inputs and outputs stay float32; else they are integers where activations are.
        operators: TFLite operators that are quantized so, such as FULLY_CONNECTED; empty for all that can be.
        others: What happens to other operators: `float` leaves them, `int8` quantizes them by `minmax` with 8 bits and
            one scale a channel.
        exclude_operators: Operators that stay in float in any case.
        calibrate_method: `moving-average` lets each sample pull the range of an activation by 5%, as the library does;
            `minmax` takes the extremes, which `gptq` cannot.
        calibration_samples: Number of samples, for `static` and `gptq`.
        calibration_seed: Seed of the order in which they are drawn.
    """

    scheme: Literal["static", "dynamic", "weight-only"] = "static"
    algorithm: Literal["minmax", "mse", "octav", "gptq"] = "minmax"
    weight_bits: Literal[4, 8] = 8
    activation_bits: Literal[8, 16] = 8
    granularity: Literal["per-tensor", "per-channel", "block-32", "block-64", "block-128", "block-256"] = "per-channel"
    float_io: bool = True
    operators: Names = ()
    others: Literal["float", "int8"] = "float"
    exclude_operators: Names = ()
    calibrate_method: Literal["moving-average", "minmax"] = "moving-average"
    calibration_samples: Samples = 1_000
    calibration_seed: Seed = 0

    @property
    def calibrated_with(self) -> tuple[int, int] | None:
        """Number of samples and seed of their order, where activations are looked at."""
        looks = self.scheme == "static" or self.algorithm == "gptq"
        return (self.calibration_samples, self.calibration_seed) if looks else None

    @property
    def needs(self) -> tuple[str, ...]:
        """What carries it out."""
        return ("litert-quantizer",)

    def quantization(self) -> Quantization:
        """What is known before it has run."""
        activations = {"static": f"int{self.activation_bits}", "dynamic": "int8", "weight-only": None}
        return Quantization(
            scheme=self.scheme,
            representation="tflite",
            activation_type=activations[self.scheme],
            weight_type=f"int{self.weight_bits}",
            granularity="per-block" if self.granularity.startswith("block") else _PLAIN[self.granularity],
            symmetric_activations=self.activation_bits == 16,
            calibration_method=self.calibrate_method if self.scheme == "static" else None,
            io_dtype="float32" if self.float_io or self.scheme != "static" else f"int{self.activation_bits}",
            calibration_samples=self.calibration_samples if self.calibrated_with else 0,
        )
