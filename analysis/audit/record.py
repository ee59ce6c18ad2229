"""What an audit and its parts say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import TYPES, Affine, Floats
from crossrt.core.artifact import ModelFormat

Role = Literal["activation", "weight", "bias"]
Verdict = Literal["exact", "rounding", "narrower", "different", "stored"]
"""`narrower` is a range inside the expected one, which other or fewer calibration samples explain.

`stored` is a tensor that is only read: no recipe says what it should be.
"""
Severity = Literal["not checked", "not applicable", "ok", "note", "caution", "wrong"]
"""The last three are findings: worth knowing, doubtful, and wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A quantized tensor as a file has it.

    Attributes:
        name: The tensor's name in the float file.
        role: What it is.
        dtype: Its integer type.
        affine: Scale and zero point.
        axis: The axis of the channels, or None for one scale.
        integers: Its values, where the file holds them.
        source: For a bias, the name of the activation that its layer takes.
        weight: For a bias, the name of the weight of its layer.
        block_size: How many values along the axis share a scale, or None where blocks are whole channels or tensors.
        is_operand: Whether it is a constant operand of an elementwise operator, such as the factor of a rescaling, or a
            bias that an Add behind a MatMul adds: ONNX Runtime quantizes it to the activations' type, by the
            activations' rule.
    """

    name: str
    role: Role
    dtype: str
    affine: Affine
    axis: int | None = None
    integers: NDArray[Any] | None = None
    source: str | None = None
    weight: str | None = None
    block_size: int | None = None
    is_operand: bool = False

    @property
    def is_symmetric(self) -> bool:
        """True if zero is in the middle of the integers."""
        low, high = TYPES[self.dtype]
        middle = 0 if low < 0 else (low + high + 1) // 2
        return bool((self.affine.zero_point == middle).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """An operator of the float model, by the names of its tensors.

    Attributes:
        kind: Its type, such as `Relu` or `MAX_POOL_2D`.
        inputs: Activations that it takes.
        outputs: Activations that it gives.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The float model over the calibration samples.

    Attributes:
        ranges: Least and greatest value of each activation.
        constants: Weights and biases.
        layers: Its operators, in order.
    """

    ranges: Mapping[str, tuple[np.float32, np.float32]]
    constants: Mapping[str, Floats]
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditJob:
    """What to audit.

    Attributes:
        path: The quantized file.
        format: Its format.
        folder: A scratch folder, which whoever starts the audit removes.
        float_path: The float file of the same format, or None.
        recipe: How it was quantized, as plain values, or None where that is not known.
        data: Fields of the `DataRequest` that calibrated it, or None where nothing was calibrated.
        dimensions: Sizes of dynamic dimensions.
    """

    path: str
    format: ModelFormat
    folder: str
    float_path: str | None = None
    recipe: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    dimensions: Mapping[str, int] = field(default_factory=dict)


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is not as expected.

    Attributes:
        severity: How bad it is.
        where: The tensor or node, or the file.
        found: The value found, in words.
        expected: What is expected in its place.
        to_do: What the reader can do about it.
    """

    severity: Severity
    where: str
    found: str
    expected: str
    to_do: str


class Check(Struct, frozen=True, kw_only=True):
    """Something that can be said of a quantized file by itself.

    Attributes:
        name: What was looked at.
        severity: Whether it is as it should be, worth knowing, doubtful, or wrong; or cannot be asked of such a file.
        text: What was found.
        findings: What is not as expected, each by itself.
    """

    name: str
    severity: Severity
    text: str
    findings: tuple[Finding, ...] = ()


class AuditedTensor(Struct, frozen=True, kw_only=True):
    """One tensor compared with the affine scheme.

    Attributes:
        name: The tensor.
        role: Activation, weight or bias.
        dtype: Its integer type.
        channels: How many scales it has.
        scale: The first scale in the file.
        zero_point: The first zero point.
        expected_scale: What the scheme makes of the same channel; None where it has no such tensor.
        expected_zero_point: The same for the zero point.
        deviation: Greatest relative difference of a scale; None where there is nothing to compare.
        wrong_integers: Values whose integer is not that of the scheme with the file's own scale; None for activations.
        verdict: Whether file and scheme agree.
        reason: Why they differ, or which rule was followed, in words.
    """

    name: str
    role: Role
    dtype: str
    channels: int
    scale: float
    zero_point: int
    expected_scale: float | None
    expected_zero_point: int | None
    deviation: float | None
    wrong_integers: int | None
    verdict: Verdict
    reason: str | None = None


class Audited(Struct, frozen=True, kw_only=True):
    """What an audit found.

    Attributes:
        tensors: Every quantized tensor.
        checks: What the file says by itself.
        inferred: The recipe in words, where it was read from the file.
        kind: What kind of quantization it is, where that was read from the file.
        not_compared: Why scales are not compared with the float file although it was given, or only in part.
    """

    tensors: tuple[AuditedTensor, ...]
    checks: tuple[Check, ...] = ()
    inferred: str | None = None
    kind: str | None = None
    not_compared: str | None = None
