"""From samples in files to what a session takes, and from what it answers to samples.

Imported by the worker: numpy and the standard library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import TensorSpec
from crossrt.harness.process.messages import InputFile
from crossrt.runtimes.feeds import Quantizer, dequantize

Array = NDArray[Any]


def opened(inputs: Sequence[InputFile]) -> dict[str, Array]:
    """The arrays in the files, by the name of the input; nothing is read before it is used."""
    return {each.name: np.load(each.path, mmap_mode="r", allow_pickle=False) for each in inputs}


def samples(inputs: Sequence[InputFile], arrays: dict[str, Array]) -> int:
    """The number of samples; 1 where every input is shared by all of them."""
    return next((len(arrays[each.name]) for each in inputs if not each.is_shared), 1)


def laid_out(each: InputFile, array: Array, rows: Array) -> Array:
    """Some samples as the model takes them."""
    if each.is_shared:
        value = array[0] if each.takes_first else array
        return np.ascontiguousarray(value).reshape(value.shape)  # a scalar stays one
    if each.axis is None:
        return np.array(array[int(rows[0])])
    return np.ascontiguousarray(np.moveaxis(array[rows], 0, each.axis))


def as_input(spec: TensorSpec, values: Array) -> Array:
    """Values in the session's own dtype: with native I/O, real numbers become its integers before they are timed."""
    if spec.scale is not None and values.dtype.kind == "f":
        return Quantizer(spec, values.shape)(values.astype(np.float32, copy=False)).copy()
    wanted = np.dtype(spec.dtype) if spec.dtype != "str" else values.dtype
    return values.astype(wanted) if values.dtype.kind == wanted.kind == "f" and values.dtype != wanted else values


def as_samples(output: Array, spec: TensorSpec, artifact: ModelArtifact, batch_size: int) -> Array:
    """An output of a call as real numbers, samples along axis 0."""
    values = output if spec.scale is None else dequantize(output, spec)
    if values.dtype == object:
        values = values.astype(str)
    axis = _output_axis(spec, values, artifact, batch_size)
    return values[np.newaxis] if axis is None else np.moveaxis(values, axis, 0)


def _output_axis(spec: TensorSpec, values: Array, artifact: ModelArtifact, batch_size: int) -> int | None:
    """Along which axis an output holds the samples of a call; None where it holds one sample as it is."""
    batching = artifact.batching
    if not batching.is_batched:
        return None
    own = next(each for each in artifact.outputs if each.name == spec.name)
    if batching.dimension is not None and batching.dimension in own.shape:
        return own.shape.index(batching.dimension)
    return 0 if values.ndim and values.shape[0] == batch_size else None


def problem_of(parts: Sequence[Array], batch_size: int) -> str | None:
    """Why an output cannot be compared over samples, or None.

    Args:
        parts: The output of each call, as `as_samples` gives it.
        batch_size: Samples per call.
    """
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1 or len({len(part) for part in parts}) > 1:
        return f"its shape differs from call to call, such as {' and '.join(map(str, sorted(shapes)[:2]))}"
    if parts and len(parts[0]) != batch_size:
        shape = parts[0].shape[1:] if len(parts[0]) == 1 else parts[0].shape
        return f"it has no axis of samples: a call with {batch_size} samples answers the shape {shape}"
    return None
