"""The shipped no-op models: what a call of a runtime and its adapter costs when the model does nothing but copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from pathlib import Path

import numpy as np

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.core.tensor import TensorSpec

FOLDER = Path(__file__).parent / "noop_files"
FEATURES = "features"
"""Name of the dimension that says how many float32 values of a sample are copied."""

_BYTES_PER_VALUE = 4


@cache
def noop_artifacts() -> Mapping[ModelFormat, ModelArtifact]:
    """One no-op model for each file format: float32 `(batch, features)` in and out, both dimensions dynamic.

    That of Keras stands for SavedModels, too: both are called as the same kind of function.
    """
    found = [read_manifest(path, ModelArtifact) for path in sorted(FOLDER.glob(f"*/{ARTIFACT_MANIFEST}"))]
    by_format = {artifact.format: artifact for artifact in found}
    return by_format | {"saved-model": by_format["keras"]}


def noop_dimensions(inputs: Sequence[TensorSpec], batch_size: int) -> Mapping[str, int]:
    """Dimensions with which a no-op model copies as many bytes a call as a session takes.

    Args:
        inputs: Inputs of the measured session; every dimension is a number.
        batch_size: Its batch size, at which the no-op model runs too.
    """
    copied = sum(_bytes_of(spec) for spec in inputs)
    return {FEATURES: max(1, -(-copied // (_BYTES_PER_VALUE * batch_size)))}


def _bytes_of(spec: TensorSpec) -> int:
    return prod(size for size in spec.shape if isinstance(size, int)) * np.dtype(spec.dtype).itemsize
