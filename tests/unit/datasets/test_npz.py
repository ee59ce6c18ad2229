"""npz and npy files: what is read, what is checked before anything is loaded, what is refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from crossrt.core.errors import DataError
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.samples import chunks

NUMBERS = st.one_of(nps.boolean_dtypes(), nps.integer_dtypes(), nps.unsigned_integer_dtypes(), nps.floating_dtypes())
any_file = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def opened(path, **options):
    return open_dataset(DataRequest(reference=str(path), **options))


def refusal(path, **options) -> str:
    with pytest.raises(DataError) as caught:
        opened(path, **options)
    return str(caught.value)


def npy_bytes(array) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_by_name_with_labels_and_shared_values(tmp_path, save):
    image, ids = np.arange(24, dtype=np.float32).reshape(4, 2, 3), np.arange(4)
    save(tmp_path / "test.npz", image=image, ids=ids, rate=np.int64(16000), labels=np.array([1, 0, 2, 1]))
    data = opened(tmp_path / "test.npz")
    assert len(data) == 4
    assert (data.name, list(data.inputs), data.shared) == ("test.npz", ["image", "ids", "rate"], {"rate"})
    assert (data.inputs["image"].dtype, data.inputs["image"].shape) == ("float32", (2, 3))
    assert data.labels.tolist() == [1, 0, 2, 1]
    feeds = data.feeds([3, 1, 1])
    np.testing.assert_array_equal(feeds["image"], image[[3, 1, 1]])
    assert feeds["ids"].tolist() == [3, 1, 1]
    assert feeds["rate"] == 16000
    assert feeds["rate"].shape == ()


@any_file
@given(
    array=nps.arrays(NUMBERS, nps.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)),
    is_fortran=st.booleans(),
    data=st.data(),
)
def test_any_array_of_numbers_comes_back_as_it_was(tmp_path, array, is_fortran, data):
    array = np.asfortranarray(array) if is_fortran else array
    indices = data.draw(st.lists(st.integers(0, len(array) - 1), max_size=8))
    np.savez(tmp_path / "plain.npz", x=array)
    np.savez_compressed(tmp_path / "packed.npz", x=array)
    np.save(tmp_path / "x.npy", array)
    found = [opened(tmp_path / name) for name in ("plain.npz", "packed.npz", "x.npy")]
    for each in found:
        rows = each.feeds(indices)["x"]
        assert rows.dtype == array.dtype.newbyteorder("=")
        assert rows.flags.c_contiguous
        np.testing.assert_array_equal(rows, array[indices])
    assert len({each.fingerprint for each in found}) == 1


def test_text_is_read(tmp_path):
    np.savez(tmp_path / "t.npz", text=np.array(["yes", "no"]))
    data = opened(tmp_path / "t.npz")
    assert data.inputs["text"].dtype == "str"
    assert data.feeds([1])["text"].tolist() == ["no"]


def test_the_fingerprint_follows_samples_labels_and_names(tmp_path):
    x = np.zeros((3, 2), np.float32)
    versions = [{"x": x}, {"y": x}, {"x": x + 1}, {"x": x, "labels": np.zeros(3)}, {"x": x.astype(np.float64)}]
    found = []
    for number, arrays in enumerate(versions):
        np.savez(tmp_path / f"{number}.npz", **arrays)
        found.append(opened(tmp_path / f"{number}.npz").fingerprint)
    assert len(set(found)) == len(versions)
    assert all(len(each) == 64 for each in found)


def test_a_limit_takes_the_first_samples_and_their_labels(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(5.0), labels=np.arange(5))
    np.savez(tmp_path / "b.npz", x=np.arange(2.0), labels=np.arange(2))
    data = opened(tmp_path / "a.npz", limit=2)
    assert (len(data), data.labels.tolist()) == (2, [0, 1])
    assert data.fingerprint == opened(tmp_path / "b.npz").fingerprint
    with pytest.raises(DataError, match="has 2 samples: there is no sample 2"):
        data.feeds([2])


@pytest.mark.parametrize("name", ["objects.npz", "objects.npy"])
def test_python_objects_are_refused(tmp_path, name):
    objects = np.array([{"a": 1}, None], dtype=object)
    if name.endswith("npz"):
        np.savez(tmp_path / name, x=objects)
    else:
        np.save(tmp_path / name, objects)
    assert "Python objects (a pickle), which could run code: it is not read" in refusal(tmp_path / name)


def test_dates_are_refused(tmp_path):
    np.savez(tmp_path / "d.npz", when=np.array(["2026-01-01"], dtype="datetime64[D]"))
    assert "array 'when' is of dtype datetime64[D]; a model takes numbers" in refusal(tmp_path / "d.npz")


def test_lengths_that_differ_are_named(tmp_path):
    np.savez(tmp_path / "d.npz", a=np.zeros((3, 1)), b=np.zeros((2, 1)), labels=np.zeros(4))
    assert "(a: 3, b: 2, labels: 4)" in refusal(tmp_path / "d.npz")


def test_zero_samples_are_refused(tmp_path):
    np.savez(tmp_path / "d.npz", a=np.zeros((0, 1)))
    assert "holds no samples; expected at least one" in refusal(tmp_path / "d.npz")


def test_labels_alone_are_not_a_data_set(tmp_path):
    np.savez(tmp_path / "d.npz", labels=np.zeros(3))
    assert "holds no array that could feed a model" in refusal(tmp_path / "d.npz")


def test_an_empty_archive_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz")
    assert "holds no array that could feed a model" in refusal(tmp_path / "d.npz")


def test_a_split_of_a_file_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", a=np.zeros(3))
    assert "has no splits: leave out the split 'train'" in refusal(tmp_path / "d.npz", split="train")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@any_file
@given(kept=st.integers(0, 1200))
def test_a_truncated_archive_is_refused(tmp_path, save, kept):
    path = tmp_path / "cut.npz"
    save(path, x=np.random.default_rng(0).normal(size=(20, 5)), labels=np.arange(20))
    whole = path.read_bytes()
    path.write_bytes(whole[: min(kept, len(whole) - 1)])
    assert str(path) in refusal(path)


@any_file
@given(place=st.integers(0), value=st.integers(0, 255))
def test_an_altered_archive_is_read_or_refused_but_never_crashes(tmp_path, place, value):
    path = tmp_path / "altered.npz"
    np.savez_compressed(path, x=np.arange(200.0).reshape(20, 10))
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content)
    try:
        data = opened(path)
        for indices in chunks(data):
            data.feeds(indices)
    except DataError:
        pass


def test_a_member_that_claims_more_than_deflate_can_give_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros(100))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 2**31)
    path.write_bytes(content)
    assert "bytes, which cannot be" in refusal(path)


def test_an_archive_that_unpacks_to_more_than_the_disk_holds_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros(10_000))
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 1000})())
    assert "only 1000 are free" in refusal(path)


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(2, 3)", "(-1, 5)"])
def test_a_header_that_promises_another_size_is_refused(tmp_path, shape):
    raw = npy_bytes(np.zeros(5)).replace(b"(5,)", shape.encode(), 1)
    surplus = len(shape) - 4
    header_end = raw.index(b"\n")
    raw = raw[: header_end - surplus] + raw[header_end:]
    (tmp_path / "x.npy").write_bytes(raw)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", raw)
    for name in ("x.npy", "x.npz"):
        assert "promises" in (message := refusal(tmp_path / name)) or "negative size" in message


@any_file
@given(junk=st.binary(max_size=200))
def test_a_file_with_the_magic_of_numpy_and_junk_is_refused(tmp_path, junk):
    path = tmp_path / "junk.npy"
    path.write_bytes(b"\x93NUMPY" + junk)
    assert str(path) in refusal(path)


def test_another_file_with_the_suffix_is_refused(tmp_path):
    for name in ("a.npz", "a.npy"):
        (tmp_path / name).write_bytes(b"hello")
        assert str(tmp_path / name) in refusal(tmp_path / name)


def test_content_counts_before_the_suffix(tmp_path):
    with (tmp_path / "array.data").open("wb") as file:
        np.save(file, np.arange(3.0))
    assert opened(tmp_path / "array.data").feeds([2])["array"].tolist() == [2.0]


def test_other_members_and_double_names_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "holds 'readme.txt', which is not an array" in refusal(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("x.npy", npy_bytes(np.zeros(2)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.npy", npy_bytes(np.ones(2)))
    assert "two arrays of one name: x.npy" in refusal(tmp_path / "b.npz")


def test_a_file_that_is_cut_while_in_use_is_an_error_and_not_a_signal(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((1000, 100)))
    data = opened(path)
    with path.open("r+b") as file:
        file.truncate(500)
    with pytest.raises(DataError, match="was cut short while it was in use"):
        data.feeds([999])


def test_a_pass_over_a_large_file_holds_little_memory(tmp_path):
    path = tmp_path / "large.npy"
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (300, 224, 224, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 300 * 224 * 224 * 3 * 4)
    data = opened(path)
    tracemalloc.start()
    try:
        for indices in chunks(data):
            data.feeds(indices)
        assert 2**20 < tracemalloc.get_traced_memory()[1] < 64e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "header", [b"{'descr': '<f4', (", b"{'descr': '<f4', 'fortran_order': False, 'shape': ((1,),)}", b"{" * 90, b"\x00"]
)
def test_a_damaged_header_of_an_array_is_one_error(tmp_path, header):
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n" + bytes(16))
    with pytest.raises(DataError, match=r"x\.npy"):
        open_dataset(DataRequest(reference=str(path)))
