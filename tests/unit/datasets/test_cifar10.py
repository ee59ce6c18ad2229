"""CIFAR-10: its layouts, damaged ones, what ships, and what training does to images; all on a few random images."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.cifar10 import HOW_TO_GET, REFERENCE, binary, png_rows
from crossrt.datasets.cifar10.augmentation import augmented, resized
from crossrt.datasets.cifar10.folders import read_images
from crossrt.datasets.cifar10.images import Images
from crossrt.datasets.cifar10.recipes import RECIPES
from crossrt.datasets.cifar10.shipped import sample, shipped, shipped_sha256, write_sample
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.training import Recipe

A_FILE = 4
TRAIN = binary.BATCHES["train"]


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (6 * A_FILE, 32, 32, 3), np.uint8)
    return Images(pixels=pixels, labels=np.arange(6 * A_FILE, dtype=np.uint8) % 10)


def parts(images):
    """Each batch of the six files: five to train on, and the test images."""
    return [(images.pixels[place : place + A_FILE], images.labels[place : place + A_FILE]) for place in range(0, 24, 4)]


def records(pixels, labels):
    planes = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    return np.concatenate([labels[:, None], planes], axis=1).tobytes()


@pytest.fixture
def make(images, tmp_path):
    """Writes the whole data set in a layout."""

    def write(layout):
        folder = tmp_path / layout
        folder.mkdir()
        if layout == "binary":
            for name, part in zip((*TRAIN, "test_batch.bin"), parts(images), strict=True):
                (folder / name).write_bytes(records(*part))
        if layout == "archive":
            with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
                for name, part in zip((*TRAIN, "test_batch.bin"), parts(images), strict=True):
                    content = records(*part)
                    info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
        if layout == "png":
            names = (*png_rows.BATCHES["train"], "test_batch.png")
            for name, (pixels, _) in zip(names, parts(images), strict=True):
                Image.fromarray(pixels.reshape(A_FILE, 1024, 3)).save(folder / name)
            (folder / "train_lables.json").write_text(json.dumps(images.labels[:20].tolist()))
            (folder / "test_lables.json").write_text(json.dumps(images.labels[20:].tolist()))
        if layout == "npz":
            arrays = {"x_train": images.pixels[:20], "y_train": images.labels[:20, None]}
            np.savez(folder / "cifar10.npz", **arrays, x_test=images.pixels[20:], y_test=images.labels[20:, None])
        return folder

    return write


def refusal(source, split="train"):
    with pytest.raises(DataError) as caught:
        read_images(str(source), split)
    return str(caught.value)


@pytest.mark.parametrize("layout", ["binary", "archive", "png", "npz"])
def test_each_layout_gives_the_same_images(make, images, layout):
    folder = make(layout)
    for split, place in (("train", slice(0, 20)), ("test", slice(20, 24))):
        found = read_images(str(folder), split)
        np.testing.assert_array_equal(found.pixels, images.pixels[place])
        np.testing.assert_array_equal(found.labels, images.labels[place])


def test_the_folders_that_archives_unpack_to_are_looked_into(make, tmp_path):
    shutil.move(make("binary"), tmp_path / "here" / "cifar-10-batches-bin")
    assert len(read_images(str(tmp_path / "here"), "train").labels) == 20


def test_an_archive_may_be_named_itself(make):
    assert len(read_images(str(make("archive") / "cifar-10-binary.tar.gz"), "test").labels) == A_FILE


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "holds 0 bytes; expected 3,073 for each image"), (b"\1" * 3072, "3,072 bytes"), (b"\12" * 3073, "to 10")],
)
def test_a_binary_file_that_is_damaged_is_named(make, content, said):
    folder = make("binary")
    (folder / TRAIN[2]).write_bytes(content)
    assert said in refusal(folder)
    assert TRAIN[2] in refusal(folder)


def test_a_missing_file_is_named(make):
    folder = make("binary")
    (folder / TRAIN[4]).unlink()
    assert f"has no {TRAIN[4]}" in refusal(folder)


@pytest.mark.parametrize("kept", [0, 20, 2000])
def test_an_archive_that_is_cut_short_is_refused(make, kept):
    path = make("archive") / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:kept])
    assert "is not a whole .tar.gz" in refusal(path)


def test_an_archive_of_something_else_is_refused(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("cifar-10-batches-py/data_batch_1"), io.BytesIO())
    assert "the binary version" in refusal(path)


def test_an_archive_with_a_file_larger_than_any_of_the_data_set_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(binary, "_MOST_BYTES", 3073)
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("data_batch_1.bin")
        info.size = 3073 * 2
        archive.addfile(info, io.BytesIO(b"\0" * info.size))
    assert "holds more than CIFAR-10's files" in refusal(path)


def test_a_png_of_another_width_is_refused(make):
    folder = make("png")
    Image.new("RGB", (1023, 4)).save(folder / "data_batch_2.png")
    assert "data_batch_2.png is 1023 x 4 pixels, RGB; expected 1024 pixels a row" in refusal(folder)


def test_a_png_that_is_damaged_is_refused(make):
    folder = make("png")
    path = folder / "data_batch_3.png"
    path.write_bytes(path.read_bytes()[:3000])
    assert "data_batch_3.png is not a whole PNG file" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [("[0, 1", "not a list of labels"), ("[0, 1]", "20 images and labels of shape (2,)"), (str([10] * 20), "to 10")],
)
def test_labels_that_do_not_fit_are_refused(make, text, said):
    folder = make("png")
    (folder / "train_lables.json").write_text(text)
    assert said in refusal(folder)


def test_missing_labels_are_named(make):
    folder = make("png")
    (folder / "train_lables.json").unlink()
    assert "train_lables.json is missing" in refusal(folder)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": np.zeros((2, 32, 32, 3), np.uint8)}, "has no y_train; found x_train"),
        (
            {"x_train": np.zeros((2, 3, 32, 32), np.uint8), "y_train": np.zeros(2, int)},
            "expected uint8 (count, 32, 32, 3)",
        ),
        ({"x_train": np.zeros((2, 32, 32, 3)), "y_train": np.zeros(2, int)}, "holds images float64"),
        ({"x_train": np.zeros((2, 32, 32, 3), np.uint8), "y_train": np.array([-1, 3])}, "labels from -1 to 3"),
    ],
)
def test_an_npz_of_something_else_is_refused(tmp_path, arrays, said):
    np.savez(tmp_path / "other.npz", **arrays)
    assert said in refusal(tmp_path / "other.npz")


@pytest.mark.parametrize("name", ["data_batch_1", "cifar-10-batches-py/data_batch_1"])
def test_pickles_are_not_read(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x80\x04.")
    assert "which is pickled: reading a pickle can run code" in refusal(tmp_path)
    assert HOW_TO_GET in refusal(tmp_path)


def test_where_there_is_nothing_it_is_said_where_to_get_it(tmp_path):
    for place in (tmp_path, tmp_path / "none"):
        assert HOW_TO_GET in refusal(place)


@pytest.fixture
def downloader(monkeypatch):
    """Stands for Keras, whose downloader gives a path or fails."""

    def install(get_file):
        monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(utils=SimpleNamespace(get_file=get_file)))

    return install


def test_what_is_downloaded_is_the_binary_version_and_its_hash_is_asked_for(make, downloader):
    path, asked = make("archive") / "cifar-10-binary.tar.gz", []
    downloader(lambda name, origin, file_hash: asked.append((name, origin, file_hash)) or str(path))
    assert len(read_images("download", "train").labels) == 20
    ((name, origin, file_hash),) = asked
    assert origin.endswith(f"kriz/{name}")
    assert len(file_hash) == 64


def test_a_download_that_fails_is_said(downloader):
    def fail(*_, **__):
        raise Exception("URL fetch failure")  # as Keras does

    downloader(fail)
    assert "could not be downloaded (URL fetch failure)" in refusal("download")


def test_what_ships_is_the_same_number_of_each_class():
    for split, count in (("test", 200), ("train", 50)):
        found = shipped(split)
        assert found.pixels.shape == (10 * count, 32, 32, 3)
        assert np.bincount(found.labels).tolist() == [count] * 10
        assert len(shipped_sha256(split)) == 64


def test_a_sample_is_the_first_of_each_class_in_order(images):
    found = sample(images, 1)
    np.testing.assert_array_equal(found.pixels, images.pixels[:10])
    assert found.labels.tolist() == list(range(10))


def test_a_sample_that_is_damaged_is_named(tmp_path, monkeypatch, images):
    monkeypatch.setattr("crossrt.datasets.cifar10.shipped.FOLDER", tmp_path)
    with pytest.raises(DataError, match=r"test-2000\.xz.*cannot be read"):
        shipped("test")
    write_sample(images, tmp_path / "test-2000.xz")
    with pytest.raises(DataError, match="does not hold 2,000 images"):
        shipped("test")
    (tmp_path / "test-2000.xz").write_bytes((tmp_path / "test-2000.xz").read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be read"):
        shipped("test")


@pytest.mark.parametrize("layout", ["binary", "archive", "png"])
def test_a_folder_is_a_data_set_with_two_splits(make, images, layout):
    folder = make(layout)
    found = open_dataset(DataRequest(reference=str(folder), split="train"))
    assert found.inputs == {"image": TensorSpec(name="image", dtype="float32", shape=(32, 32, 3))}
    assert len(found) == 20
    np.testing.assert_array_equal(np.rint(found.feeds([3])["image"] * 255), images.pixels[[3]])
    assert len(open_dataset(DataRequest(reference=str(folder)))) == A_FILE
    with pytest.raises(DataError, match="has no split 'all'; available: test, train"):
        open_dataset(DataRequest(reference=str(folder), split="all"))


def test_the_registered_data_set_is_what_ships():
    found = open_dataset(DataRequest(reference="cifar10"))
    assert len(found) == 2000
    assert found.fingerprint == shipped_sha256("test")
    array = found.feeds(range(50))["image"]
    assert (array.dtype, array.min(), array.max()) == (np.float32, 0, 1)
    assert "500 of the 50,000" in open_dataset(DataRequest(reference="cifar10", split="train")).notes[0]


def test_changed_images_are_windows_of_the_image_and_its_mirror():
    image = np.arange(1, 32 * 32 * 3 + 1, dtype=np.int64).reshape(32, 32, 3) % 251
    pixels = np.repeat(image[None].astype(np.uint8), 300, axis=0)
    found = augmented(pixels, np.random.default_rng(0))
    padded = np.pad(pixels[0], ((4, 4), (4, 4), (0, 0)))
    windows = {}
    for mirrored in (False, True):
        for row in range(9):
            for column in range(9):
                window = padded[row : row + 32, column : column + 32]
                windows[(window[:, ::-1] if mirrored else window).tobytes()] = (mirrored, row, column)
    seen = [windows[each.tobytes()] for each in found]  # a KeyError is an image that is neither
    assert {row for _, row, _ in seen} == {column for _, _, column in seen} == set(range(9))
    assert 100 < sum(mirrored for mirrored, _, _ in seen) < 200


def test_changes_follow_the_generator_and_leave_their_input_alone(images):
    before = images.pixels.copy()
    first, again, other = (augmented(images.pixels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(images.pixels, before)


def test_small_images_are_shifted_by_less():
    pixels = np.zeros((200, 24, 24, 3), np.uint8)
    pixels[:, 12, 12] = 255
    _, rows, columns, _ = np.nonzero(augmented(pixels, np.random.default_rng(0)))
    assert set(rows) == set(range(9, 16))
    assert set(columns) == set(range(8, 16))  # a mirror moves the middle by one


def test_a_smaller_image_keeps_its_means(images):
    found = resized(images.pixels, 24)
    assert found.shape == (24, 24, 24, 3)
    np.testing.assert_allclose(found.mean((1, 2)), images.pixels.mean((1, 2)), atol=0.1)
    halved = resized(images.pixels, 16).astype(int)
    blocks = images.pixels.reshape(-1, 16, 2, 16, 2, 3).mean((2, 4))
    assert np.abs(halved - blocks).max() <= 0.5
    assert resized(images.pixels, 32) is images.pixels


def test_each_architecture_has_each_recipe_of_the_record():
    assert set(RECIPES) == set(REFERENCE.architectures)
    assert {tuple(each) for each in RECIPES.values()} == {REFERENCE.recipes}


def test_the_recipe_of_the_paper_is_what_the_paper_says():
    found = RECIPES["cifar-resnet18"]["paper"]
    assert found == Recipe(
        epochs=100, rate=0.1, momentum=0.9, weight_decay=1e-4, decays_all=True, batch_size=128, note=found.note
    )
