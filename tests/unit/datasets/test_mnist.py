"""The shipped digits, and what is refused when other files take their place."""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.datasets.mnist import digits as mnist

ORIGINALS = {  # MD5 of the original files, as published
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(magic: int, array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}i", magic, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A folder with three digits in the names and the format of the original training files."""
    images = np.arange(3 * 28 * 28, dtype=np.uint32).reshape(3, 28, 28) % 256
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(2051, images)))
    (tmp_path / f"{LABELS}.gz").write_bytes(gzip.compress(idx(2049, np.array([5, 0, 9]))))
    return tmp_path


def refusal(folder) -> str:
    with pytest.raises(DataError) as caught:
        mnist.full_training_set(folder)
    return str(caught.value)


@pytest.mark.parametrize("name", ORIGINALS)
def test_shipped_test_files_are_the_original_ones(name):
    assert hashlib.md5((mnist.SHIPPED / name).read_bytes()).hexdigest() == ORIGINALS[name]


def test_shipped_test_digits_are_the_ten_thousand():
    digits = mnist.shipped("test")
    assert digits.images.shape == (10_000, 28, 28)
    assert digits.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(digits.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_shipped_training_digits_are_the_first_ten_thousand():
    digits = mnist.shipped("train")
    assert digits.images.shape == (10_000, 28, 28)
    assert digits.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(digits.labels).tolist() == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]


def test_training_and_test_digits_do_not_overlap():
    train, test = ({image.tobytes() for image in mnist.shipped(split).images} for split in ("train", "test"))
    assert not train & test


def test_hash_of_a_split_covers_images_and_labels():
    names = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    content = b"".join((mnist.SHIPPED / name).read_bytes() for name in names)
    assert mnist.shipped_sha256("test") == hashlib.sha256(content).hexdigest()
    assert mnist.shipped_sha256("train") != mnist.shipped_sha256("test")


def test_as_input_is_float32_from_zero_to_one_with_a_channel():
    inputs = mnist.shipped("test").as_input()
    assert (inputs.dtype, inputs.shape) == (np.float32, (10_000, 28, 28, 1))
    assert (inputs.min(), inputs.max()) == (0.0, 1.0)


def test_as_input_scales_every_grey_level():
    images = np.arange(256, dtype=np.uint8).repeat(4).reshape(1, 32, 32)
    inputs = mnist.Digits(images=images, labels=np.zeros(1, np.uint8)).as_input()
    np.testing.assert_array_equal(inputs.ravel()[::4], np.arange(256, dtype=np.float32) / np.float32(255))


def test_a_folder_of_original_files_is_read(folder):
    digits = mnist.full_training_set(folder)
    assert digits.images.shape == (3, 28, 28)
    assert digits.images[0, 0, :3].tolist() == [0, 1, 2]
    assert digits.labels.tolist() == [5, 0, 9]


def test_files_may_be_unpacked(folder):
    packed = mnist.full_training_set(folder)
    for path in list(folder.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(mnist.full_training_set(folder).images, packed.images)


@pytest.mark.parametrize("name", [IMAGES, LABELS])
def test_a_missing_file_is_named(folder, name):
    (folder / f"{name}.gz").unlink()
    message = refusal(folder)
    assert str(folder) in message
    assert f"no {name}.gz" in message


def test_a_missing_folder_is_named(tmp_path):
    assert str(tmp_path / "nowhere") in refusal(tmp_path / "nowhere")


def test_a_wrong_magic_number_is_named(folder):
    path = folder / f"{IMAGES}.gz"
    path.write_bytes(gzip.compress(idx(2051 + 2**24, np.zeros((3, 28, 28)))))
    message = refusal(folder)
    assert f"{path} is not an IDX file: found the first bytes 01 00 08 03" in message


def test_swapped_files_are_refused(folder):
    images, labels = (folder / f"{name}.gz" for name in (IMAGES, LABELS))
    labels.write_bytes(images.read_bytes())
    assert f"{labels} is not an MNIST file: found uint8 (3, 28, 28); expected uint8 of 1" in refusal(folder)


@pytest.mark.parametrize("kept", [0, 1, 20, -5], ids="{} bytes".format)
def test_a_truncated_gzip_file_is_named(folder, kept):
    path = folder / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:kept])
    assert str(path) in refusal(folder)


@pytest.mark.parametrize("place", [0, 10, -20, -8, -1], ids=["magic", "first block", "data", "checksum", "length"])
def test_a_damaged_gzip_file_is_named(folder, place):
    path = folder / f"{IMAGES}.gz"
    content = bytearray(path.read_bytes())
    content[place] = 255 - content[place]
    path.write_bytes(content)
    assert f"{path} cannot be read" in refusal(folder)


def test_a_file_that_only_claims_to_be_gzip_is_named(folder):
    path = folder / f"{IMAGES}.gz"
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert f"{path} cannot be read" in refusal(folder)


@pytest.mark.parametrize("change", [-1, 1], ids=["one byte short", "one byte long"])
def test_a_body_of_another_length_is_refused(folder, change):
    path = folder / f"{IMAGES}.gz"
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:change] if change < 0 else whole + b"\0"))
    message = refusal(folder)
    assert str(path) in message
    assert f"holds {3 * 28 * 28 + change}" in message


@pytest.mark.parametrize("kept", [0, 3, 4, 15])
def test_a_header_that_was_cut_is_refused(folder, kept):
    path = folder / f"{IMAGES}.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:kept]))
    assert f"{path} is not a" in refusal(folder)


def test_a_header_without_body_is_refused(folder):
    path = folder / f"{IMAGES}.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:16]))
    assert f"{path} promises 2352 bytes (3, 28, 28) and holds 0" in refusal(folder)


def test_negative_sizes_are_refused(folder):
    path = folder / f"{IMAGES}.gz"
    path.write_bytes(gzip.compress(struct.pack(">4i", 2051, -1, -28, 28) + bytes(28 * 28)))
    assert str(path) in refusal(folder)


def test_images_of_another_size_are_refused(folder):
    path = folder / f"{IMAGES}.gz"
    path.write_bytes(gzip.compress(idx(2051, np.zeros((3, 32, 32)))))
    message = refusal(folder)
    assert str(path) in message
    assert "(3, 32, 32)" in message


def test_a_file_without_images_is_refused(folder):
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(2051, np.zeros((0, 28, 28)))))
    (folder / f"{LABELS}.gz").write_bytes(gzip.compress(idx(2049, np.zeros(0))))
    assert "(0, 28, 28)" in refusal(folder)


def test_another_number_of_labels_is_refused(folder):
    (folder / f"{LABELS}.gz").write_bytes(gzip.compress(idx(2049, np.array([5, 0]))))
    message = refusal(folder)
    assert str(folder / IMAGES) in message
    assert "3 images, but its label file holds 2 labels" in message


def test_a_label_above_nine_is_refused(folder):
    (folder / f"{LABELS}.gz").write_bytes(gzip.compress(idx(2049, np.array([5, 10, 0]))))
    message = refusal(folder)
    assert str(folder / IMAGES) in message
    assert "go up to 10" in message


def test_a_file_that_unpacks_to_too_much_is_refused(folder, monkeypatch):
    monkeypatch.setattr(mnist, "_MOST_BYTES", 1000)
    message = refusal(folder)
    assert str(folder / IMAGES) in message
    assert "unpacks to more than" in message


@pytest.fixture
def npz(tmp_path, monkeypatch):
    """A small archive that is taken for the published one."""
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=np.full((2, 28, 28), 7, np.uint8), y_train=np.array([3, 4], np.uint8))
    monkeypatch.setattr(mnist, "_NPZ_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def downloader(monkeypatch):
    """Puts a function in the place of Keras's downloader; Keras itself is not imported."""

    def install(get_file) -> None:
        monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(utils=SimpleNamespace(get_file=get_file)))

    return install


def test_a_downloaded_archive_is_read(npz, downloader):
    asked = {}
    downloader(lambda name, **options: asked.update(options, name=name) or str(npz))
    digits = mnist.download_training_set()
    assert digits.labels.tolist() == [3, 4]
    assert (digits.images == 7).all()
    assert asked["name"] == "mnist.npz"
    assert asked["origin"].startswith("https://")
    assert asked["file_hash"] == hashlib.sha256(npz.read_bytes()).hexdigest()


def test_a_downloaded_archive_with_another_hash_is_refused(npz, downloader):
    downloader(lambda *_arguments, **_options: str(npz))
    npz.write_bytes(npz.read_bytes() + b"\0")
    with pytest.raises(DataError, match="is not the published mnist") as caught:
        mnist.download_training_set()
    assert str(npz) in str(caught.value)


def test_a_download_that_fails_says_what_to_do(downloader):
    def fail(*_arguments, **_options):
        raise Exception("URL fetch failure: no route to host")

    downloader(fail)
    with pytest.raises(DataError, match=r"no route to host.*--data"):
        mnist.download_training_set()


def test_a_downloaded_archive_without_digits_is_refused(npz, downloader, monkeypatch):
    downloader(lambda *_arguments, **_options: str(npz))
    np.savez(npz, x_test=np.zeros((2, 28, 28), np.uint8))
    monkeypatch.setattr(mnist, "_NPZ_SHA256", hashlib.sha256(npz.read_bytes()).hexdigest())
    with pytest.raises(DataError, match="x_train"):
        mnist.download_training_set()
