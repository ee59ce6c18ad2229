"""The work of a file in the records of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.sources.work import Counted, count_work
from crossrt.harness.errors import HarnessError
from crossrt.reports.schema.roofline import ComputeType, Work
from crossrt.reports.text.cells import listed

_INTEGER_WEIGHTS: Final = ("int8", "uint8", "int4", "uint4")


def work_of(artifact: ModelArtifact, dimensions: Mapping[str, int]) -> Work:
    """What a call of a file has to do for one sample.

    Raises:
        ModelError: It cannot be counted.
    """
    counted = count_work(artifact, dimensions)
    return Work(
        artifact=artifact.id,
        dtype=compute_type(artifact),
        macs=counted.macs,
        weight_bytes=math.ceil(sum(each.weights for each in counted.layers) * weight_size(artifact)),
        io_bytes=_io_bytes(artifact, dimensions),
        uncounted=counted.uncounted,
    )


def check_countable(name: str, counted: Counted) -> None:
    """Raises `HarnessError`, with the operators that a file has, where none of them has work that can be counted."""
    if counted.macs:
        return
    has = f"the work of {listed(counted.uncounted)} is not known" if counted.uncounted else None
    if has is None and counted.others:
        has = f"it has {listed(counted.others)} alone"
    raise HarnessError(
        f"{name} has no convolution, matrix product or recurrent layer whose work can be counted"
        f"{f': {has}' if has else ''}; without it there is no roofline (crossrt explain shows its kernels)"
    )


def compute_type(artifact: ModelArtifact) -> ComputeType:
    """What most MACs of a file compute on: integers where weights and activations are quantized."""
    how = artifact.quantization
    is_integer = how is not None and how.scheme in ("static", "dynamic") and how.weight_type in _INTEGER_WEIGHTS
    return "int8" if is_integer else "float32"


def weight_size(artifact: ModelArtifact) -> float:
    """Bytes of a weight as the file holds it."""
    how = artifact.quantization
    if how is None:
        return 4.0
    if how.weight_type in ("int4", "uint4"):
        return 0.5
    try:
        return float(np.dtype(how.weight_type).itemsize)
    except TypeError:
        return 1.0


def _io_bytes(artifact: ModelArtifact, dimensions: Mapping[str, int]) -> int:
    """Bytes of inputs and outputs of one sample; a dimension of unknown size counts once."""
    total = 0
    for spec in (*artifact.inputs, *artifact.outputs):
        sizes = [size if isinstance(size, int) else dimensions.get(size or "", 1) for size in spec.shape]
        width = 8 if spec.dtype == "str" else np.dtype(spec.dtype).itemsize
        total += width * math.prod(sizes)
    return total
