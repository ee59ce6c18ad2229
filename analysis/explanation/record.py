"""What an explanation is asked and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from msgspec import Struct

LostKind = Literal["float", "conversion"]
IN_FLOAT: Final = ", in float"
"""How the reason of a conversion ends that stands beside a kernel in float."""


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
        layer: The node of the file that it comes from, as `nodes_to_exclude` would name it; None where none is seen.
        kind: Whether it computes in float, or only converts.
        reasons: What the graphs show; empty where they show nothing.
    """

    operator: str
    node: str
    kind: LostKind
    reasons: tuple[str, ...]
    layer: str | None = None
