"""One record for each kind of quantization, with the options that it has and no others.

Names follow the arguments of `onnxruntime.quantization` and the LiteRT converter, in lower case with underscores.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from crossrt.core.artifact import CalibrationMethod, Quantization

Percent = Annotated[float, Meta(gt=50, le=100)]
WeightRanges = Literal["minmax", "mse", "percentile"]
WeightRounding = Literal["nearest", "adaround", "gpfq"]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]
Samples = Annotated[int, Meta(ge=1, le=1_000_000)]
Names = tuple[str, ...]


class _Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all recipes are."""


class OnnxStatic(_Recipe, frozen=True, tag="onnx-static"):
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
        equalize: Channels of layers that follow each other get equal ranges first (cross-layer equalization).
        quantize_outputs: False leaves outputs of the model in float where kernels allow it; QDQ alone.
        weight_ranges: The range of a weight: all of it, that of the least squared error, or a percentile.
        weight_percentile: What `percentile` keeps of the weights, in percent.
        weight_rounding: Each weight to the nearest integer, or as AdaRound or GPFQ choose; QDQ alone.
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
    equalize: bool = False
    quantize_outputs: bool = True
    weight_ranges: WeightRanges = "minmax"
    weight_percentile: Percent = 99.9
    weight_rounding: WeightRounding = "nearest"
    bias_correction: bool = False

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


class OnnxDynamic(_Recipe, frozen=True, tag="onnx-dynamic"):
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


class OnnxWeightOnly(_Recipe, frozen=True, tag="onnx-weight-only"):
    """Weights of matrix products in blocks of few bits (`MatMulNBits`); all else stays in float.

    Attributes:
        bits: Bits of a weight.
        block_size: How many weights share a scale; a power of two, at least 16.
        weight_symmetric: No zero points are stored.
        accuracy_level: 0 leaves it to the kernel, 1 computes in float32, 4 in int8.
        nodes_to_exclude: Names of nodes that stay in float.
    """

    bits: Literal[4, 8] = 4
    block_size: Literal[16, 32, 64, 128, 256] = 32
    weight_symmetric: bool = True
    accuracy_level: Literal[0, 1, 4] = 0
    nodes_to_exclude: Names = ()

    def quantization(self) -> Quantization:
        """What the manifest says of it."""
        return Quantization(
            scheme="weight-only",
            representation="qoperator",
            activation_type=None,
            weight_type=f"int{self.bits}" if self.weight_symmetric else f"uint{self.bits}",
            granularity="per-block",
            symmetric_weights=self.weight_symmetric,
        )


class OnnxFloat16(_Recipe, frozen=True, tag="onnx-float16"):
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


class OnnxPlugin(_Recipe, frozen=True, tag="onnx-plugin"):
    """Quantization of a float ONNX file by a plug-in of the group `crossrt.quantizers`.

    Attributes:
        quantizer: Name of the plug-in.
        options: What it is told, in its own words.
        calibration_samples: Number of samples that it is calibrated with; 0 for none.
        calibration_seed: Seed of the order in which they are drawn.
    """

    quantizer: str
    options: dict[str, str | int | float | bool | list[str]] = {}
    calibration_samples: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    calibration_seed: Seed = 0

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


class TfliteDynamic(_Recipe, frozen=True, tag="tflite-dynamic"):
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


class TfliteFloat16(_Recipe, frozen=True, tag="tflite-float16"):
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


class TfliteStatic(_Recipe, frozen=True, tag="tflite-static"):
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


class _SameScales(_Recipe, frozen=True):
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


OnnxRecipe: TypeAlias = OnnxStatic | OnnxDynamic | OnnxWeightOnly | OnnxFloat16
TfliteRecipe: TypeAlias = TfliteDynamic | TfliteFloat16 | TfliteStatic
SameScales: TypeAlias = OnnxSameScales | TfliteSameScales
Recipe: TypeAlias = OnnxRecipe | OnnxPlugin | TfliteRecipe | SameScales
Calibrated: TypeAlias = OnnxStatic | TfliteStatic | SameScales
