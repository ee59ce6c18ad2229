"""Folders of images by class."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.datasets.opening import DataRequest, open_dataset

Image = pytest.importorskip("PIL.Image")


def opened(path, **options):
    return open_dataset(DataRequest(reference=str(path), **options))


def refusal(path, **options) -> str:
    with pytest.raises(DataError) as caught:
        opened(path, **options)
    return str(caught.value)


def write(path, value, *, shape=(4, 6, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    for value, name in enumerate(["dog/b.png", "dog/a.png", "cat/z.png"]):
        write(tmp_path / "pets" / name, value)
    return tmp_path / "pets"


def test_folders_are_classes_in_sorted_order(folder):
    data = opened(folder)
    assert data.labels.tolist() == [0, 1, 1]
    assert any("0 = cat, 1 = dog" in note for note in data.notes)
    rows = data.feeds([0, 1, 2])["images"]
    assert (rows.dtype, rows.shape) == (np.uint8, (3, 4, 6, 3))
    assert rows[:, 0, 0, 0].tolist() == [2, 1, 0]


def test_grey_images_have_one_channel(tmp_path):
    write(tmp_path / "a.png", 9, shape=(4, 6))
    data = opened(tmp_path)
    assert data.feeds([0])["images"].shape == (1, 4, 6, 1)
    assert data.labels is None


def test_the_fingerprint_follows_files_and_classes(folder):
    first = opened(folder).fingerprint
    assert opened(folder).fingerprint == first
    write(folder / "dog/b.png", 77)
    second = opened(folder).fingerprint
    (folder / "dog").rename(folder / "bird")
    assert len({first, second, opened(folder).fingerprint}) == 3


def test_images_of_several_sizes_are_refused(folder):
    write(folder / "dog/c.png", 0, shape=(5, 6, 3))
    message = refusal(folder)
    assert "c.png is (5, 6, 3)" in message
    assert "all images must have one size and mode; nothing is resized" in message


def test_grey_among_colour_is_refused(folder):
    write(folder / "dog/c.png", 0, shape=(4, 6))
    assert "c.png is (4, 6, 1)" in refusal(folder)


def test_palettes_are_refused(tmp_path):
    Image.new("P", (4, 4)).save(tmp_path / "a.png")
    assert "has the mode 'P'; expected grey (L), RGB" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_image_is_named(folder, content):
    (folder / "cat/y.png").write_bytes(content)
    assert "y.png cannot be read as an image" in refusal(folder)


def test_an_image_cut_short_is_named_when_it_is_read(folder):
    write(folder / "cat/y.png", 5)
    content = (folder / "cat/y.png").read_bytes()
    (folder / "cat/y.png").write_bytes(content[:-25])
    with pytest.raises(DataError, match=r"y\.png cannot be read as an image"):
        opened(folder).feeds([0])


def test_an_empty_class_is_refused_because_it_would_shift_the_others(folder):
    (folder / "bird").mkdir()
    assert "the folders bird hold no images" in refusal(folder)


def test_numbers_as_names_are_sorted_as_text_and_that_is_said(tmp_path):
    for number in (1, 2, 10):
        write(tmp_path / f"{number}/a.png", number)
    data = opened(tmp_path)
    assert data.feeds([0, 1, 2])["images"][:, 0, 0, 0].tolist() == [1, 10, 2]
    assert (
        "classes are the folders' names, sorted as text, in which 10 comes before 2: 0 = 1, 1 = 10, 2 = 2" in data.notes
    )


def test_an_image_without_a_class_among_classes_is_refused(folder):
    write(folder / "x.png", 0)
    assert "x.png has no class" in refusal(folder)


def test_splits_are_folders_and_only_that_of_calibration_is_known(tmp_path):
    write(tmp_path / "train/cat/a.png", 1)
    write(tmp_path / "test/cat/a.png", 2)
    assert opened(tmp_path, split="test").feeds([0])["images"].max() == 2
    assert "has splits (test, train): choose one" in refusal(tmp_path)
    assert "no folder 'val' for the split" in refusal(tmp_path, split="val")
    assert opened(tmp_path, fallback_split="train").feeds([0])["images"].max() == 1
    assert len(opened(tmp_path / "test", fallback_split="train")) == 1


def test_missing_pillow_says_how_to_install_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "install pillow" in refusal(folder)


@pytest.mark.parametrize("names", [(), ("notes.txt",)])
def test_a_folder_of_something_else_is_refused(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("hello")
    assert "expected images in one folder for each class" in refusal(tmp_path)
