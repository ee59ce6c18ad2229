"""What an explanation is asked and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

LostKind = Literal["float", "conversion"]


class RunKernel(Struct, frozen=True, kw_only=True):
    """A kernel that a runtime runs and that a fully quantized graph might not have."""

    operator: str
    node: str
    kind: LostKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationJob:
    """What to explain.

    Attributes:
        path: The quantized file.
        recipe: How it was quantized, as plain values.
        batch_size: Digits per call.
        kernels: What was seen to run, each a `RunKernel` as plain values.
    """

    path: str
    recipe: Mapping[str, Any]
    batch_size: int
    kernels: Sequence[Mapping[str, Any]]


class LostFusion(Struct, frozen=True, kw_only=True):
    """A kernel, and why it is no integer kernel.

    Attributes:
        operator: Its type.
        node: Its name in the optimised graph.
        kind: Whether it computes in float, or only converts.
        reasons: What the graphs show; empty where they show nothing.
    """

    operator: str
    node: str
    kind: LostKind
    reasons: tuple[str, ...]
