"""ONNX's convention: folders `test_data_set_N` with `input_0.pb` and `output_0.pb`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.install import install_command
from crossrt.core.owned import read_regular
from crossrt.core.tensor import TensorSpec, batching_of
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.npy import request_without_split
from crossrt.datasets.readers.reader import Reader
from crossrt.datasets.readers.rows import Spool
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import ArrayDataset

_NUMBER = re.compile(r"_(\d+)(\.pb)?$")


def read(path: Path, request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Opens one folder of tensors, or a folder of such folders; files are inputs in the order of the model.

    A batched model finds its samples along the batch axis of each tensor; without a batch, each folder is one sample.
    """
    request_without_split(path, request)
    folders = _numbered(path, "test_data_set_*") or [path]
    if inputs is None:
        raise DataError(f"{path} holds tensors in the order of a model's inputs: it can be opened for a model only")
    axes = batching_of(inputs).axes
    spools = {spec.name: Spool(f"{path}: {spec.name}") for spec in inputs if not axes or spec.name in axes}
    shared: dict[str, NDArray[Any]] = {}
    outputs: list[Mapping[str, NDArray[Any]]] = []
    for folder in folders:
        samples = 1
        for name, array in _inputs(folder, inputs).items():
            if name in spools:
                rows = _samples(folder, name, array, axes.get(name))
                samples = len(rows)
                spools[name].append(rows)
            elif not np.array_equal(shared.setdefault(name, array), array):
                raise DataError(f"{folder}: {name} differs from other folders, but the model shares it among samples")
        outputs.append(_outputs(folder, samples, is_batched=bool(axes)))
    expected = _joined(outputs)
    notes = (f"expected outputs are given: {', '.join(expected)}",) if expected else ()
    arrays = {name: spool.rows() for name, spool in spools.items()}
    return ArrayDataset(path.name, arrays, shared=shared, notes=notes, expected_outputs=expected)


def _inputs(folder: Path, inputs: Sequence[TensorSpec]) -> dict[str, NDArray[Any]]:
    tensors = [_tensor(path) for path in _numbered(folder, "input_*.pb")]
    if len(tensors) != len(inputs):
        raise DataError(
            f"{folder} holds {len(tensors)} inputs (input_0.pb, ...); the model has {len(inputs)}:"
            f" {', '.join(spec.name for spec in inputs)}"
        )
    names = [spec.name for spec in inputs]
    if sorted(name for name, _ in tensors) == sorted(names):
        return {name: dict(tensors)[name] for name in names}
    return dict(zip(names, (array for _, array in tensors), strict=True))


def _samples(folder: Path, name: str, array: NDArray[Any], axis: int | None) -> NDArray[Any]:
    if axis is None:
        return array[np.newaxis]
    if array.ndim <= axis:
        raise DataError(f"{folder}: {name} has the shape {array.shape}; the model's batch is axis {axis}")
    return np.moveaxis(array, axis, 0)


def _outputs(folder: Path, samples: int, *, is_batched: bool) -> dict[str, NDArray[Any]]:
    """Outputs that have an axis for samples; others cannot be split by sample and are left out."""
    found = {}
    for path in _numbered(folder, "output_*.pb"):
        name, array = _tensor(path)
        rows = array if is_batched else array[np.newaxis]
        if rows.ndim and len(rows) == samples:
            found[name or path.stem] = rows
    return found


def _joined(outputs: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    names = [name for name in outputs[0] if all(name in each for each in outputs)]
    alike = [name for name in names if len({(each[name].dtype, each[name].shape[1:]) for each in outputs}) == 1]
    return {name: np.concatenate([each[name] for each in outputs]) for name in alike}


def _tensor(path: Path) -> tuple[str, NDArray[Any]]:
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise DataError(f"{path} is read with onnx, which is not installed: {install_command('onnx')}") from error
    try:
        tensor = onnx.TensorProto()
        tensor.ParseFromString(read_regular(path))
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ValueError("its values lie in another file")
        array = onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # protobuf and onnx have no common exception
        raise DataError(f"{path} is not an ONNX tensor ({error})") from error
    return tensor.name, _text(array) if array.dtype == object else array


def _text(array: NDArray[Any]) -> NDArray[Any]:
    return np.array([str(each) for each in array.ravel().tolist()], dtype=np.str_).reshape(array.shape)


def _numbered(folder: Path, pattern: str) -> list[Path]:
    """Paths that match, by the number at the end of their names."""
    found = [(int(number[1]), path) for path in folder.glob(pattern) if (number := _NUMBER.search(path.name))]
    return [path for _, path in sorted(found)]


def _is_onnx_folder(path: Path, head: bytes) -> bool:
    del head
    return path.is_dir() and bool(_numbered(path, "test_data_set_*") or _numbered(path, "input_*.pb"))


READER = Reader(name="ONNX test data", suffixes=(), recognizes=_is_onnx_folder, read=read)
