"""What an explanation is asked and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from msgspec import Struct

UnfusedKind = Literal["float", "conversion"]
IN_FLOAT: Final = ", in float"
"""How the reason of a conversion ends that stands beside a kernel in float."""


class RunKernel(Struct, frozen=True, kw_only=True):
    """A kernel that a runtime runs and that a fully quantized graph might not have."""

    operator: str
    node: str
    kind: UnfusedKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationJob:
    """What to explain.

    Attributes:
        path: The quantized file.
        folder: A scratch folder, which whoever starts the explanation removes.
        kernels: What was seen to run, each a `RunKernel` as plain values.
        recipe: How it was quantized, as plain values, or None where that is not known.
        dimensions: Sizes of all dynamic dimensions, the batch among them.
    """

    path: str
    folder: str
    kernels: Sequence[Mapping[str, Any]]
    recipe: Mapping[str, Any] | None = None
    dimensions: Mapping[str, int] = field(default_factory=dict)


class UnfusedOperator(Struct, frozen=True, kw_only=True):
    """A kernel that is not an integer kernel, and why.

    Attributes:
        operator: Its type.
        node: Its name in the optimised graph.
        layer: The node of the file that it comes from, as `nodes_to_exclude` would name it; None where none is seen.
        kind: Whether it computes in float, or only converts.
        reasons: What the graphs show; empty where they show nothing.
    """

    operator: str
    node: str
    kind: UnfusedKind
    reasons: tuple[str, ...]
    layer: str | None = None
