"""What an audit and its parts say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import Affine, Floats

Role = Literal["activation", "weight", "bias"]
Verdict = Literal["exact", "rounding", "different"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A quantized tensor as a file has it.

    Attributes:
        name: The tensor's name in the float32 file.
        role: What it is.
        dtype: Its integer type.
        affine: Scale and zero point.
        axis: The axis of the channels, or None for one scale.
        integers: Its values, where the file holds them.
        source: For a bias, the name of the activation that its layer takes.
        weight: For a bias, the name of the weight of its layer.
    """

    name: str
    role: Role
    dtype: str
    affine: Affine
    axis: int | None = None
    integers: NDArray[Any] | None = None
    source: str | None = None
    weight: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """An operator of the float32 model, by the names of its tensors.

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
    """The float32 model over the calibration digits.

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
        float_path: The float32 file of the same format.
        recipe: How it was quantized, as plain values.
    """

    path: str
    float_path: str
    recipe: Mapping[str, Any]


class AuditedTensor(Struct, frozen=True, kw_only=True):
    """One tensor held against the scheme.

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
