"""One record for each kind of quantization, with the options that it has and no others.

Names follow the arguments of `onnxruntime.quantization` and the LiteRT converter, in lower case with underscores.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from crossrt.core.artifact import CalibrationMethod, Quantization
from crossrt.exporters.recipes.base import Names, Percent, RecipeBase, Samples, Seed
from crossrt.exporters.recipes.floats import OnnxFloat8 as OnnxFloat8
from crossrt.exporters.recipes.floats import OnnxFloat16 as OnnxFloat16
from crossrt.exporters.recipes.library import OnnxNncf, OnnxNncfWeights, TfliteLitert
from crossrt.exporters.recipes.same_scales import OnnxSameScales as OnnxSameScales
from crossrt.exporters.recipes.same_scales import TfliteSameScales as TfliteSameScales

WeightRanges = Literal["minmax", "mse", "percentile"]
WeightRounding = Literal["nearest", "adaround", "brecq", "gpfq"]


class OnnxStatic(RecipeBase, frozen=True, tag="onnx-static"):
    """Static quantization by ONNX Runtime: activations are calibrated beforehand.

    Attributes:
        quant_format: `qdq` puts QuantizeLinear and DequantizeLinear around float operators, `qoperator` replaces them.
        activation_type: Integer type of activations.
        weight_type: Integer type of weights.
        per_channel: A scale for every output channel of a weight in place of one.
        activation_symmetric: Zero point in the middle of the range (`ActivationSymmetric`).
        weight_symmetric: The same for weights (`WeightSymmetric`).
        reduce_range: Weights in 7 bits, for processors whose 16-bit sums saturate.
        calibrate_method: How the range of an activation follows from what was observed.
        calibration_samples: Number of samples.
        calibration_seed: Seed of the order in which they are drawn.
        calibration_symmetric: Ranges are widened to lie evenly around zero (`CalibTensorRangeSymmetric`).
        percentile: What `percentile` keeps, in percent.
        keep_removable_activations: Relu and Clip stay in the file (`QDQKeepRemovableActivations`); QDQ alone.
        op_types_to_quantize: Operator types; empty for all that can be quantized.
        nodes_to_exclude: Names of nodes that stay in float.
        nodes_to_16_bit: Names of nodes whose activations are uint16, between conversions; QDQ with uint8 alone.
        nodes_per_channel: The same as `per_channel` for the weights of these nodes alone; QDQ alone.
        equalize: Channels of layers that follow each other get equal ranges first (cross-layer equalization).
        quantize_outputs: False leaves outputs of the model in float where kernels allow it; QDQ alone.
        weight_ranges: The range of a weight: all of it, that of the least squared error, or a percentile.
        weight_percentile: What `percentile` keeps of the weights, in percent.
        weight_rounding: Each weight to the nearest integer, or as AdaRound, BRECQ or GPFQ choose; QDQ alone.
        bias_correction: Biases make up for what shifts the mean of a layer's output; QDQ alone.
    """

    quant_format: Literal["qdq", "qoperator"] = "qdq"
    activation_type: Literal["uint8", "int8", "uint16", "int16"] = "uint8"
    weight_type: Literal["int8", "uint8", "int16", "uint16", "int4", "uint4"] = "int8"
    per_channel: bool = False
    activation_symmetric: bool = False
    weight_symmetric: bool = True
    reduce_range: bool = False
    calibrate_method: CalibrationMethod = "minmax"
    calibration_samples: Samples = 1_000
    calibration_seed: Seed = 0
    calibration_symmetric: bool = False
    percentile: Percent = 99.999
    keep_removable_activations: bool = False
    op_types_to_quantize: Names = ()
    nodes_to_exclude: Names = ()
    nodes_to_16_bit: Names = ()
    nodes_per_channel: Names = ()
    equalize: bool = False
    quantize_outputs: bool = True
    weight_ranges: WeightRanges = "minmax"
    weight_percentile: Percent = 99.9
    weight_rounding: WeightRounding = "nearest"
    bias_correction: bool = False

    @property
    def calibrated_with(self) -> tuple[int, int] | None:
        """Number of samples and seed of their order."""
        return self.calibration_samples, self.calibration_seed

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="static",
            representation=self.quant_format,
            activation_type=self.activation_type,
            weight_type=self.weight_type,
            granularity="per-channel" if self.per_channel else "per-tensor",
            symmetric_activations=self.activation_symmetric,
            symmetric_weights=self.weight_symmetric,
            reduce_range=self.reduce_range,
            calibration_method=self.calibrate_method,
            calibration_samples=self.calibration_samples,
        )


class OnnxDynamic(RecipeBase, frozen=True, tag="onnx-dynamic"):
    """Dynamic quantization by ONNX Runtime: activations, always uint8, get their scale at every call.

    Attributes:
        weight_type: Integer type of weights.
        per_channel: A scale for every output channel of a weight.
        weight_symmetric: Zero point in the middle of the range.
        reduce_range: Weights in 7 bits.
        op_types_to_quantize: Operator types; empty for all that can be quantized.
        nodes_to_exclude: Names of nodes that stay in float.
    """

    weight_type: Literal["uint8", "int8"] = "uint8"
    per_channel: bool = False
    weight_symmetric: bool = False
    reduce_range: bool = False
    op_types_to_quantize: Names = ()
    nodes_to_exclude: Names = ()

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="dynamic",
            representation="qoperator",
            activation_type="uint8",
            weight_type=self.weight_type,
            granularity="per-channel" if self.per_channel else "per-tensor",
            symmetric_weights=self.weight_symmetric,
            reduce_range=self.reduce_range,
        )


class OnnxWeightOnly(RecipeBase, frozen=True, tag="onnx-weight-only"):
    """Weights of matrix products in blocks of few bits (`MatMulNBits`); all else stays in float.

    Attributes:
        algorithm: How integers are found: `rtn` rounds to nearest, `k-quant` searches scale and zero point of least
            weighted error, `hqq` fits zero points that make errors sparse, `gptq` lets weights that are rounded later
            make up for the error, and is calibrated.
        bits: Bits of a weight.
        block_size: How many weights share a scale; a power of two, at least 16.
        weight_symmetric: No zero points are stored; with `rtn` and `gptq` only.
        gemm_to_matmul: Dense layers written as Gemm are split into MatMul and Add beforehand, which is the same.
        accuracy_level: 0 leaves it to the kernel, 1 computes in float32, 4 in int8.
        nodes_to_exclude: Names of nodes that stay in float.
        calibration_samples: Number of samples, for `gptq` alone; they must give as many rows as a weight has inputs.
        calibration_seed: Seed of the order in which they are drawn.
    """

    algorithm: Literal["rtn", "k-quant", "hqq", "gptq"] = "rtn"
    bits: Literal[4, 8] = 4
    block_size: Literal[16, 32, 64, 128, 256] = 32
    weight_symmetric: bool = True
    gemm_to_matmul: bool = True
    accuracy_level: Literal[0, 1, 4] = 0
    nodes_to_exclude: Names = ()
    calibration_samples: Samples = 10_000
    calibration_seed: Seed = 0

    @property
    def calibrated_with(self) -> tuple[int, int] | None:
        """Number of samples and seed of their order for `gptq`; the others look at the weights alone."""
        return (self.calibration_samples, self.calibration_seed) if self.algorithm == "gptq" else None

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="weight-only",
            representation="qoperator",
            activation_type=None,
            weight_type=f"int{self.bits}" if self.weight_symmetric else f"uint{self.bits}",
            granularity="per-block",
            symmetric_weights=self.weight_symmetric,
            calibration_samples=self.calibration_samples if self.calibrated_with else 0,
        )


class OnnxPlugin(RecipeBase, frozen=True, tag="onnx-plugin"):
    """Quantization of a float ONNX file by a plug-in of the group `crossrt.quantizers`.

    Attributes:
        quantizer: Name of the plug-in.
        options: What it is told, in its own words.
        calibration_samples: Number of samples that it is calibrated with; 0 for none.
        calibration_seed: Seed of the order in which they are drawn.
    """

    quantizer: str
    options: dict[str, str | int | float | bool | list[str]] = {}  # noqa: RUF012  # msgspec copies it
    calibration_samples: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    calibration_seed: Seed = 0

    @property
    def calibrated_with(self) -> tuple[int, int] | None:
        """Number of samples and seed of their order, or None for no samples."""
        return (self.calibration_samples, self.calibration_seed) if self.calibration_samples else None

    def quantization(self) -> Quantization:
        """What is known before it has run; the plug-in itself says what it did."""
        return Quantization(
            scheme="static" if self.calibration_samples else "dynamic",
            representation="onnx",
            activation_type=None,
            weight_type="int8",
            granularity="per-tensor",
            calibration_samples=self.calibration_samples,
        )


class TfliteDynamic(RecipeBase, frozen=True, tag="tflite-dynamic"):
    """Dynamic range quantization by the TFLite converter: weights int8, activations quantized at every call.

    Attributes:
        per_channel: A scale for every output channel of a weight.
        per_channel_dense: The same for fully connected layers alone.
    """

    per_channel: bool = True
    per_channel_dense: bool = True

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="dynamic",
            representation="tflite",
            activation_type="int8",
            weight_type="int8",
            granularity="per-channel" if self.per_channel else "per-tensor",
        )


class TfliteFloat16(RecipeBase, frozen=True, tag="tflite-float16"):
    """Weights in float16, widened to float32 when the model is loaded."""

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="float16",
            representation="tflite",
            activation_type=None,
            weight_type="float16",
            granularity="per-tensor",
        )


class TfliteStatic(RecipeBase, frozen=True, tag="tflite-static"):
    """Full integer quantization by the TFLite converter.

    Attributes:
        activation_type: int8, or int16 beside int8 weights (16x8).
        io_type: Type of inputs and outputs: float32, or an integer type.
        per_channel: A scale for every output channel of a weight.
        per_channel_dense: The same for fully connected layers alone.
        calibration_samples: Number of samples in the representative data set.
        calibration_seed: Seed of the order in which they are drawn.
    """

    activation_type: Literal["int8", "int16"] = "int8"
    io_type: Literal["float32", "int8", "uint8", "int16"] = "float32"
    per_channel: bool = True
    per_channel_dense: bool = True
    calibration_samples: Samples = 1_000
    calibration_seed: Seed = 0

    @property
    def calibrated_with(self) -> tuple[int, int] | None:
        """Number of samples and seed of their order."""
        return self.calibration_samples, self.calibration_seed

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="static",
            representation="tflite",
            activation_type=self.activation_type,
            weight_type="int8",
            granularity="per-channel" if self.per_channel else "per-tensor",
            symmetric_activations=self.activation_type == "int16",
            calibration_method="minmax",
            calibration_samples=self.calibration_samples,
            io_dtype=self.io_type,
        )


OnnxRecipe: TypeAlias = OnnxStatic | OnnxDynamic | OnnxWeightOnly | OnnxFloat16 | OnnxFloat8
NncfRecipe: TypeAlias = OnnxNncf | OnnxNncfWeights
ConverterRecipe: TypeAlias = TfliteDynamic | TfliteFloat16 | TfliteStatic
TfliteRecipe: TypeAlias = ConverterRecipe | TfliteLitert
SameScales: TypeAlias = OnnxSameScales | TfliteSameScales
Recipe: TypeAlias = OnnxRecipe | OnnxPlugin | NncfRecipe | TfliteRecipe | SameScales
Calibrated: TypeAlias = OnnxStatic | TfliteStatic | SameScales
