"""What the process that builds candidates is asked and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchJob:
    """What candidates are made from.

    Attributes:
        model: Name of the model.
        float_path: The float ONNX file.
        source_sha256: Hash that manifests give as the origin.
        folder: A scratch folder; each candidate gets a folder of its own name in it.
        data: Fields of the `DataRequest` whose samples are run.
        indices: Which samples of it.
        calibration: Fields of the `DataRequest` that calibrates.
        dimensions: Sizes of dynamic dimensions.
        threads: Threads per operator.
    """

    model: str
    float_path: str
    source_sha256: str
    folder: str
    data: Mapping[str, Any]
    indices: list[int]
    calibration: Mapping[str, Any]
    dimensions: Mapping[str, int] = field(default_factory=dict)
    threads: int = 1


class Unit(Struct, frozen=True, kw_only=True):
    """Nodes that are quantized or left in float together: an operator and the activations folded into it.

    Attributes:
        name: Of the first node.
        op_type: Its operator type.
        nodes: Names of all of them.
        weight_bytes: What their float weights take.
        time_share: Share of the float model's kernel time, 0 to 1.
    """

    name: str
    op_type: str
    nodes: tuple[str, ...]
    weight_bytes: int = 0
    time_share: float = 0.0


class Opened(Struct, frozen=True, kw_only=True):
    """What the process says once it is ready.

    Attributes:
        units: In the order of the graph.
        nodes: Names of all nodes.
        samples: How many samples are run, so that a pass takes about a second at most.
        sample_s: How long one takes in float.
    """

    units: tuple[Unit, ...]
    nodes: tuple[str, ...]
    samples: int
    sample_s: float


class Built(Struct, frozen=True, kw_only=True):
    """One candidate.

    Attributes:
        sqnr_db: Of its worst output, `10 log10(sum x**2 / sum (x - x')**2)`; None without any noise.
        has_signal: False where an output holds NaN or infinity.
        seconds: How long building and running took.
        folder: Where its file and manifest are, or None where they were not kept.
    """

    sqnr_db: float | None
    has_signal: bool
    seconds: float
    folder: str | None = None
