"""How a reference is resolved: names, paths, labels of their own, plug-ins of other packages."""

from __future__ import annotations

import dataclasses
import gzip
import struct
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from crossrt.core.errors import DataError, PluginError
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.readers.callables import dataset_from
from crossrt.datasets.readers.reader import Reader
from crossrt.datasets.request import calibration_request


def opened(reference, **options):
    return open_dataset(DataRequest(reference=str(reference), **options))


def refusal(reference, **options) -> str:
    with pytest.raises(DataError) as caught:
        opened(reference, **options)
    return str(caught.value)


def two_samples():
    return dataset_from(np.zeros((2, 1), np.float32), "two")


PARTS = {"small": lambda: np.zeros((1, 1)), "large": lambda: np.zeros((9, 1))}


def letters(path, request, inputs):
    return dataset_from(np.frombuffer(path.read_bytes()[4:], np.uint8), path.name)


LETTERS = Reader(
    name="letters", suffixes=(".abc",), recognizes=lambda _path, head: head.startswith(b"ABC:"), read=letters
)


@pytest.fixture
def plugins(monkeypatch):
    """Entry points as another package would register them."""

    def register(group, **values):
        points = [EntryPoint(name=name, value=f"{__name__}:{value}", group=group) for name, value in values.items()]
        monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.value.rpartition(":")[2]])
        found = lambda *, group: [point for point in points if point.group == group]  # noqa: E731
        monkeypatch.setattr("importlib.metadata.entry_points", found)

    return register


def test_a_registered_name_is_opened(plugins):
    plugins("crossrt.datasets", two="two_samples")
    assert len(opened("two")) == 2
    assert "the data set two has no splits" in refusal("two", split="test")


def test_a_registered_name_may_have_parts(plugins):
    plugins("crossrt.datasets", parts="PARTS")
    assert len(opened("parts")) == 1
    assert len(opened("parts", split="large")) == 9
    assert "has no split 'huge'; available: small, large" in refusal("parts", split="huge")


def test_what_calibrates_is_the_training_part_where_there_is_one(plugins):
    calibration = calibration_request("mnist", 0, {})
    assert open_dataset(calibration).name.startswith("MNIST train")
    plugins("crossrt.datasets", parts="PARTS", two="two_samples")
    assert len(open_dataset(dataclasses.replace(calibration, reference="parts"))) == 1
    assert len(open_dataset(dataclasses.replace(calibration, reference="parts", split="large"))) == 9
    assert len(open_dataset(dataclasses.replace(calibration, reference="two"))) == 2


def test_a_registered_name_goes_before_a_path_and_says_so(plugins, tmp_path, monkeypatch):
    plugins("crossrt.datasets", two="two_samples")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two").mkdir()
    assert opened("two").notes == ("two is a registered data set; write ./two for the path of that name",)


def test_a_reader_of_another_package_is_one_file_and_one_entry_point(plugins, tmp_path):
    (tmp_path / "x.bin").write_bytes(b"ABC:hello")
    assert "not a data set of a known format" in refusal(tmp_path / "x.bin")
    plugins("crossrt.dataset_readers", letters="LETTERS")
    assert len(opened(tmp_path / "x.bin")) == 5


def test_a_plug_in_that_is_not_a_reader_is_refused(plugins, tmp_path):
    (tmp_path / "x.bin").write_bytes(b"ABC:hello")
    plugins("crossrt.dataset_readers", letters="PARTS")
    assert "the plug-in 'letters' of crossrt.dataset_readers is a dict; expected a Reader" in refusal(
        tmp_path / "x.bin"
    )


def test_a_plug_in_that_fails_is_named(plugins):
    plugins("crossrt.datasets", broken="broken")
    with pytest.raises(PluginError, match="the plug-in 'broken'"):
        opened("broken")


def broken():
    raise RuntimeError("no licence")


def test_an_unknown_name_lists_what_there_is(plugins, tmp_path):
    plugins("crossrt.datasets", digits="two_samples")
    (tmp_path / "test.npz").write_bytes(b"")
    message = refusal("digitz")
    assert "no data set 'digitz', and no such file or folder here (did you mean digits?)" in message
    assert "available: digits, random" in message
    assert f"(did you mean {tmp_path}/test.npz?)" in refusal(tmp_path / "tset.npz")


def test_an_unreadable_file_is_named(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros(3))

    def fail(*_arguments, **_options):
        raise PermissionError(13, "Permission denied", str(tmp_path / "x.npy"))

    monkeypatch.setattr("pathlib.Path.open", fail)
    assert refusal(tmp_path / "x.npy") == f"{tmp_path}/x.npy cannot be read: Permission denied"


@pytest.fixture
def three(tmp_path):
    np.savez(tmp_path / "three.npz", x=np.zeros((3, 2), np.float32), labels=np.zeros(3, np.int64))
    return tmp_path / "three.npz"


@pytest.mark.parametrize("name", ["l.npy", "l.npz", "only.npz", "l.csv", "column.csv", "l.txt", "l.idx", "l-idx1.gz"])
def test_labels_of_their_own_take_the_place_of_others(three, tmp_path, name):
    path, labels = tmp_path / name, np.array([4, 5, 6])
    idx = struct.pack(">BBBBI", 0, 0, 8, 1, 3) + labels.astype(np.uint8).tobytes()
    {
        "l.npy": lambda: np.save(path, labels),
        "l.npz": lambda: np.savez(path, labels=labels, other=labels + 1),
        "only.npz": lambda: np.savez(path, labels),
        "l.csv": lambda: path.write_text("name,label\n1,4\n2,5\n3,6\n"),
        "column.csv": lambda: path.write_text("4\n5\n6\n"),
        "l.txt": lambda: path.write_text("4\n5\n6\n"),
        "l.idx": lambda: path.write_bytes(idx),
        "l-idx1.gz": lambda: path.write_bytes(gzip.compress(idx)),
    }[name]()
    data = opened(three, labels=str(path))
    assert data.labels.tolist() == [4, 5, 6]
    assert data.notes == (f"labels are read from {path}",)
    assert data.fingerprint != opened(three).fingerprint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.txt", "1\n2\n", "has 3 samples, but there are 2 labels"),
        ("l.txt", "", "holds no labels"),
        ("l.txt", "label\ncat\n1\ncat\n", "holds the text 'cat'"),
        ("l.csv", "a,b\n1,2\n", "has 2 columns; expected one"),
        ("l.json", "[]", "is not a file of labels"),
        ("l.npy", "hello", "is not an array in numpy's format"),
    ],
)
def test_labels_that_do_not_fit_are_refused(three, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    assert message in refusal(three, labels=str(tmp_path / name))


def test_missing_labels_are_named(three, tmp_path):
    assert "nowhere.npy does not exist" in refusal(three, labels=str(tmp_path / "nowhere.npy"))
