"""IDX files and the labels beside them."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossrt.core.errors import DataError
from crossrt.datasets.opening import DataRequest, open_dataset

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def idx(kind: int, array) -> bytes:
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.astype(TYPES[kind]).tobytes()
    )


def opened(path, **options):
    return open_dataset(DataRequest(reference=str(path), **options))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_every_type_is_read_in_native_order(tmp_path, kind, suffix):
    array = np.arange(12).reshape(3, 2, 2)
    content = idx(kind, array)
    path = tmp_path / f"some{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    rows = opened(path).feeds([2, 0])["images"]
    assert rows.dtype == np.dtype(TYPES[kind]).newbyteorder("=")
    np.testing.assert_array_equal(rows, array[[2, 0]])


@pytest.mark.parametrize(
    "names",
    [("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"), ("a-images.idx3-ubyte", "a-labels.idx1-ubyte")],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_labels_beside_the_images_are_found(tmp_path, names, is_packed):
    images, labels = (tmp_path / name for name in names)
    images.write_bytes(idx(8, np.zeros((3, 2, 2))))
    content = idx(8, np.array([7, 8, 9]))
    if is_packed:
        labels.with_name(f"{labels.name}.gz").write_bytes(gzip.compress(content))
    else:
        labels.write_bytes(content)
    data = opened(images)
    assert data.labels.tolist() == [7, 8, 9]
    assert any(names[1] in note for note in data.notes)


def test_a_folder_is_opened_by_split(tmp_path):
    for number, split in enumerate(("train", "t10k")):
        (tmp_path / f"{split}-images-idx3-ubyte").write_bytes(idx(8, np.full((2, 2, 2), number)))
    assert opened(tmp_path, split="train").feeds([0])["images"].max() == 0
    assert opened(tmp_path, split="test").feeds([0])["images"].max() == 1
    with pytest.raises(DataError, match=r"several files of images; available: t10k.*train"):
        opened(tmp_path)
    with pytest.raises(DataError, match="no file of images for the split 'val'"):
        opened(tmp_path, split="val")
    assert opened(tmp_path, fallback_split="train").feeds([0])["images"].max() == 0
    (tmp_path / "train-images-idx3-ubyte").unlink()
    assert opened(tmp_path, fallback_split="train").feeds([0])["images"].max() == 1


def test_labels_of_another_number_are_refused(tmp_path):
    (tmp_path / "a-images-idx3-ubyte").write_bytes(idx(8, np.zeros((3, 2, 2))))
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(idx(8, np.zeros(2)))
    with pytest.raises(DataError, match=r"images: 3, labels: 2"):
        opened(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.integers(0, 20), extra=st.binary(max_size=4), is_packed=st.booleans())
def test_any_other_length_is_refused(tmp_path, kept, extra, is_packed):
    whole = idx(8, np.arange(8).reshape(2, 2, 2))
    content = whole[:kept] + extra
    path = tmp_path / "x.idx"
    path.write_bytes(gzip.compress(content) if is_packed else content)
    if content == whole or len(content) == len(whole):
        return
    with pytest.raises(DataError, match=r"x\.idx"):
        opened(path)
