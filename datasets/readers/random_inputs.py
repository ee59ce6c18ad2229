"""Random inputs drawn from the specs of a model: each sample follows from the seed and its number alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec, batching_of, described
from crossrt.datasets.layout import fed_dtype, sample_spec
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import ArrayDataset

DEFAULT_SAMPLES: Final = 128
MOST_SAMPLES: Final = 2**20
MOST_SAMPLE_BYTES: Final = 2**31
NOTE: Final = "inputs are random: nothing about accuracy was measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomRows:
    """Random samples of one input: standard normal floats, uint8 from 0 to 255, other integers 0 or 1, booleans.

    Integers stay at 0 and 1 because they are often indices, and every table has a row 1.
    """

    seed: int
    number: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def take(self, indices: Sequence[int]) -> NDArray[Any]:
        """Draws some samples: the same ones, whatever else is drawn with them."""
        rows = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for position, index in enumerate(indices):
            generator = np.random.default_rng((self.seed, self.number, int(index)))
            rows[position] = drawn(generator, self.dtype, self.shape[1:])
        return rows


def drawn(generator: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """One random array of a dtype."""
    if dtype.kind == "f":
        single = generator.standard_normal(shape, np.float32 if dtype.itemsize < 8 else np.float64)
        return np.asarray(single).astype(dtype)
    if dtype == np.uint8:
        return np.asarray(generator.integers(0, 256, shape)).astype(dtype)
    return np.asarray(generator.integers(0, 2, shape)).astype(dtype)


def random_dataset(request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Random inputs for a model: `limit` samples, or 128.

    Raises:
        DataError: No model is given, a dynamic dimension has no size, an input is text, or more samples are asked for
            than random ones are good for.
    """
    if not inputs:
        raise DataError("random inputs are drawn from the inputs of a model: no model was given, or it has no inputs")
    batching, count = batching_of(inputs), request.limit or DEFAULT_SAMPLES
    if count > MOST_SAMPLES:
        raise DataError(
            f"{count:,} random samples are asked for, and at most {MOST_SAMPLES:,} are drawn: ask for fewer with"
            " --samples, or give data with --data"
        )
    rows: dict[str, RandomRows] = {}
    shared: dict[str, NDArray[Any]] = {}
    for number, spec in enumerate(inputs):
        dtype, shape = _dtype(spec), _sizes(spec, sample_spec(spec, batching), request)
        _check_size(spec, dtype, shape)
        if batching.is_batched and spec.name not in batching.axes:
            shared[spec.name] = drawn(np.random.default_rng((request.seed, number)), dtype, shape)
        else:
            rows[spec.name] = RandomRows(seed=request.seed, number=number, dtype=dtype, shape=(count, *shape))
    return ArrayDataset(
        "random", rows, shared=shared, notes=(NOTE,), identity=lambda: _hash(request.seed, rows, shared)
    )


def _check_size(spec: TensorSpec, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    size = math.prod(shape) * dtype.itemsize
    if size > MOST_SAMPLE_BYTES:
        raise DataError(
            f"one sample of {described(spec)} would take {size / 1e9:,.1f} GB in the shape"
            f" ({', '.join(map(str, shape))}): give smaller sizes with --dim"
        )


def _dtype(spec: TensorSpec) -> np.dtype[Any]:
    fed = fed_dtype(spec)
    if fed == "str":
        raise DataError(f"random inputs cannot be drawn for {described(spec)}, which is text: give data with --data")
    dtype = np.dtype(fed)
    if dtype.kind not in "biuf":
        raise DataError(f"random inputs cannot be drawn for {described(spec)}: give data with --data")
    return dtype


def _sizes(spec: TensorSpec, sample: TensorSpec, request: DataRequest) -> tuple[int, ...]:
    bound = sample.bound(request.dimensions)
    if bound.dynamic:
        wishes = " ".join(f"--dim '{name}=SIZE'" if "[" in name else f"--dim {name}=SIZE" for name in bound.dynamic)
        raise DataError(
            f"random inputs need a size for the dynamic dimension {', '.join(bound.dynamic)} of {described(spec)}:"
            f" use {wishes}, or give data with --data"
        )
    if any(size is None for size in bound.shape):
        raise DataError(
            f"random inputs cannot be drawn for {described(spec)}: a size is unknown; give data with --data"
        )
    sizes = tuple(size for size in bound.shape if isinstance(size, int))
    if min(sizes, default=0) < 0:
        raise DataError(f"random inputs cannot be drawn for {described(bound)}: a size is negative")
    return sizes


def _hash(seed: int, rows: dict[str, RandomRows], shared: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(f"random\0{seed}\n".encode())
    for name, each in rows.items():
        digest.update(f"{name}\0{each.number}\0{each.dtype.name}\0{each.shape}\n".encode())
    for name, array in shared.items():
        digest.update(f"{name}\0{array.dtype.name}\0{array.shape}\0".encode() + array.tobytes())
    return digest.hexdigest()
