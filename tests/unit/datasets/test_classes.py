"""Labels that are names of classes: numbered where their order is given, refused with the way to give it elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from crossrt.core.errors import DataError
from crossrt.datasets.classes import classes_of
from crossrt.datasets.opening import DataRequest, dataset_from, open_dataset
from crossrt.datasets.saving import data_path
from crossrt.datasets.tasks.choosing import check_class_names, choose_task
from crossrt.datasets.tasks.classification import Classification

NAMES = ("dog", "cat", "ant")
LABELS = np.array(["cat", "ant", "cat", "dog"])
NUMBERS = [1, 2, 1, 0]
X = np.zeros((4, 2), np.float32)


def opened(path, **options):
    return open_dataset(DataRequest(reference=str(path), **options))


def save(path, **arrays):
    np.savez(path, allow_pickle=False, **arrays)
    return path


@pytest.fixture
def names_file(tmp_path):
    (tmp_path / "names.txt").write_text("dog\ncat\nant\n")
    return str(tmp_path / "names.txt")


def test_an_archive_names_its_classes_in_order(tmp_path):
    data = opened(save(tmp_path / "d.npz", x=X, labels=LABELS, classes=np.array(NAMES)))
    assert data.labels.tolist() == NUMBERS
    assert classes_of(data) == NAMES
    assert list(data.inputs) == ["x"]


@pytest.mark.parametrize("by_file", [False, True])
@pytest.mark.parametrize("kind", ["npz", "csv", "npy", "txt", "headed", "labels.npz"])
def test_the_user_names_the_classes_in_order(tmp_path, names_file, kind, by_file):
    (tmp_path / "t.csv").write_text("a,b,label\n" + "".join(f"1,2,{each}\n" for each in LABELS))
    (tmp_path / "l.txt").write_text("".join(f"{each}\n" for each in LABELS))
    (tmp_path / "h.txt").write_text("label\n" + "".join(f"{each}\n" for each in LABELS))
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "l.npy", LABELS)
    save(tmp_path / "l.npz", labels=LABELS)
    own = {"npy": "l.npy", "txt": "l.txt", "headed": "h.txt", "labels.npz": "l.npz"}.get(kind)
    path = {"npz": save(tmp_path / "d.npz", x=X, labels=LABELS), "csv": tmp_path / "t.csv"}.get(
        kind, tmp_path / "x.npy"
    )
    labels = None if own is None else str(tmp_path / own)
    data = opened(path, labels=labels, classes=names_file if by_file else "dog, cat,ant")
    assert data.labels.tolist() == NUMBERS
    assert classes_of(data) == NAMES


def test_a_parquet_column_of_names_is_numbered(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"a": [1.0] * 4, "label": LABELS.tolist()}), tmp_path / "t.parquet")
    assert opened(tmp_path / "t.parquet", classes="dog,cat,ant").labels.tolist() == NUMBERS


def test_names_beside_labels_in_a_file_of_their_own_count(tmp_path):
    np.save(tmp_path / "x.npy", X)
    own = save(tmp_path / "l.npz", labels=LABELS, classes=np.array(NAMES))
    assert opened(tmp_path / "x.npy", labels=str(own)).labels.tolist() == NUMBERS


def test_folders_of_images_are_numbered_by_the_users_order(tmp_path):
    for name in ("ant", "cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / "images" / name / "0.png")
    assert opened(tmp_path / "images").labels.tolist() == [0, 1, 2]
    assert classes_of(opened(tmp_path / "images")) == ("ant", "cat", "dog")
    assert opened(tmp_path / "images", classes="dog,cat,emu,ant").labels.tolist() == [3, 1, 0]
    with pytest.raises(DataError, match=r"labels of 1 of 3 samples are not among the 2 classes \(cat, dog\): 'ant'"):
        opened(tmp_path / "images", classes="cat,dog")


def test_folders_that_are_called_by_numbers_keep_their_sorted_order(tmp_path):
    for name in ("2", "10"):
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / "images" / name / "0.png")
    assert classes_of(opened(tmp_path / "images")) == ("10", "2")


def test_numbers_stay_as_they_are_and_get_names(tmp_path):
    path = save(tmp_path / "d.npz", x=X, labels=np.array(NUMBERS))
    data = opened(path, classes="dog,cat,ant", limit=3)
    assert (data.labels.tolist(), classes_of(data)) == (NUMBERS[:3], NAMES)
    assert opened(path, classes="dog,cat,ant").fingerprint == opened(path).fingerprint


def test_the_order_of_classes_is_part_of_the_fingerprint(tmp_path):
    path = save(tmp_path / "d.npz", x=X, labels=LABELS)
    assert opened(path, classes="dog,cat,ant").fingerprint != opened(path, classes="cat,dog,ant").fingerprint


def test_a_dict_and_what_is_saved_of_it_keep_the_names(tmp_path):
    given = {"x": X, "labels": LABELS.tolist(), "classes": list(NAMES)}
    assert dataset_from(given, "given").classes == NAMES
    assert opened(data_path(given, tmp_path / "saved.npz")).labels.tolist() == NUMBERS


def test_an_array_called_classes_that_is_no_text_is_an_input(tmp_path):
    data = opened(save(tmp_path / "d.npz", x=X, classes=np.arange(4), labels=np.array(NUMBERS)))
    assert set(data.inputs) == {"x", "classes"}
    assert classes_of(data) == ()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("dog,cat", r"labels of 1 of 4 samples are not among the 2 classes \(dog, cat\): 'ant'"),
        ("dog,Cat,ant", "labels of 2 of 4 samples .*: 'cat'; 'Cat' is: names are compared letter by letter"),
        ("dog,cat,dog", "names 'dog' twice, as class 0 and as class 2"),
        ("dog,,cat", "the name of class 1 is empty"),
        ("names.txt", "the file of classes names.txt does not exist; or give names separated by commas"),
    ],
)
def test_names_that_cannot_be_used_are_one_error(tmp_path, classes, message):
    path = save(tmp_path / "d.npz", x=X, labels=LABELS)
    with pytest.raises(DataError, match=message):
        opened(path, classes=classes)


def test_a_file_with_an_empty_line_or_of_another_kind_is_refused(tmp_path):
    path = save(tmp_path / "d.npz", x=X, labels=LABELS)
    for content, message in ((b"dog\n\ncat\n", "name of class 1 is empty"), (b"\xff\xfe\x00", "not text in UTF-8")):
        (tmp_path / "names.txt").write_bytes(content)
        with pytest.raises(DataError, match=message):
            opened(path, classes=str(tmp_path / "names.txt"))
    with pytest.raises(DataError, match="has the shape"):
        opened(save(tmp_path / "e.npz", x=X, labels=LABELS, classes=np.array([NAMES])))


def test_numbers_that_might_be_names_are_refused(tmp_path):
    path = save(tmp_path / "d.npz", x=X, labels=np.array([3, 5, 3, 5]))
    with pytest.raises(DataError, match="labels are numbers, and so is the name of class 0, '3'"):
        opened(path, classes="3,5")


def test_classes_without_labels_are_refused(tmp_path):
    with pytest.raises(DataError, match="has no labels that --classes could name"):
        opened(save(tmp_path / "d.npz", x=X), classes="dog,cat")


def test_without_an_order_the_refusal_says_how_to_give_it():
    outputs = {"y": np.eye(4, 3)}
    with pytest.raises(
        DataError, match=r"labels are text \('ant', 'cat', 'dog'\).*--classes cat,dog or --classes FILE"
    ):
        choose_task(None, LABELS, outputs)


def test_more_or_fewer_names_than_the_output_has_classes_are_refused():
    outputs, labels = {"y": np.eye(4, 3)}, np.array(NUMBERS)
    check_class_names(Classification(), NAMES, outputs, labels)
    for names in (NAMES[:2], (*NAMES, "emu")):
        with pytest.raises(
            DataError, match=rf"the data name {len(names)} classes .* but output 'y' has 3: give the names of these 3"
        ):
            check_class_names(Classification(), names, outputs, labels)


def test_of_an_output_of_classes_only_too_few_names_are_refused():
    outputs, labels = {"y": np.array(NUMBERS)}, np.array(NUMBERS)
    check_class_names(Classification(), (*NAMES, "emu"), outputs, labels)
    with pytest.raises(DataError, match="the data name 2 classes"):
        check_class_names(Classification(), NAMES[:2], outputs, labels)
