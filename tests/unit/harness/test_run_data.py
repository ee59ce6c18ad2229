"""Samples of a run as files: chunks, limits, memory."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.parts import Part
from crossrt.datasets.samples import ArrayDataset, MemoryRows
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate import run_data
from crossrt.harness.evaluate.run_data import RunData


class Lazy:
    """Samples that are made when they are read: sample number `n` is full of `n`."""

    name, fingerprint, notes = "lazy", "f" * 64, ()

    def __init__(self, samples, shape=(1000,), dtype="float32", shared=()):
        self._samples, self.read = samples, []
        self.inputs = {"x": TensorSpec(name="x", dtype=dtype, shape=shape)}
        self.inputs |= {name: TensorSpec(name=name, dtype="int64", shape=()) for name in shared}
        self.shared = frozenset(shared)
        self.labels = np.arange(samples)

    def __len__(self):
        return self._samples

    def feeds(self, indices):
        self.read.append(indices)
        spec = self.inputs["x"]
        rows = np.asarray(indices).reshape(-1, *[1] * len(spec.shape))
        return {
            "x": np.broadcast_to(rows, (len(indices), *spec.shape)).astype(spec.dtype),
            **{name: np.int64(16000) for name in self.shared},
        }


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of ten samples of 4,000 bytes."""
    monkeypatch.setattr(run_data, "CHUNK_BYTES", 40_000)


def whole(data):
    parts = []
    for number in range(len(data.chunks)):
        with data.chunk(number) as files:
            parts.append(np.load(files["x"]))
    return np.concatenate(parts)


@pytest.mark.usefixtures("small_chunks")
def test_chunks_hold_every_sample_once_and_in_order(tmp_path):
    data = RunData(Lazy(25), tmp_path, None)
    assert data.chunks == [range(10), range(10, 20), range(20, 25)]
    assert whole(data)[:, 0].tolist() == list(range(25))


@pytest.mark.usefixtures("small_chunks")
def test_only_as_many_samples_are_used_as_were_asked_for(tmp_path):
    data = RunData(Lazy(25), tmp_path, 12)
    assert (data.samples, data.chunks) == (12, [range(10), range(10, 12)])
    assert data.labels.tolist() == list(range(12))
    data.limited(5)
    assert (data.samples, data.chunks, data.labels.tolist()) == (5, [range(5)], list(range(5)))
    assert data.limited(100).samples == 5


@pytest.mark.parametrize("samples", [None, 0, 100])
def test_more_samples_than_there_are_are_all(tmp_path, samples):
    assert RunData(Lazy(3), tmp_path, samples).samples == 3


def test_a_limit_after_the_first_chunk_was_read_still_gives_the_first_samples(tmp_path):
    data = RunData(Lazy(8), tmp_path, None)
    assert len(np.load(data.first()["x"])) == 8
    data.limited(3)
    assert whole(data)[: data.samples, 0].tolist() == [0, 1, 2]


@pytest.mark.usefixtures("small_chunks")
def test_files_of_a_small_data_set_are_made_once(tmp_path):
    dataset = Lazy(25)
    data = RunData(dataset, tmp_path, None)
    whole(data)
    whole(data)
    assert len(dataset.read) == 3


@pytest.mark.usefixtures("small_chunks")
def test_of_a_large_data_set_only_the_first_file_and_those_in_use_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(run_data, "KEPT_BYTES", 50_000)
    data = RunData(Lazy(25), tmp_path, None)
    first = data.first()["x"]
    with data.chunk(1) as outer:
        with data.chunk(1):
            pass
        assert outer["x"].exists()
    assert not outer["x"].exists()
    assert first.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name]


def test_a_data_set_larger_than_memory_needs_no_more_than_a_few_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(run_data, "CHUNK_BYTES", 2**20)
    monkeypatch.setattr(run_data, "KEPT_BYTES", 2**20)
    data = RunData(Lazy(20_000), tmp_path, None)  # 80 MB
    tracemalloc.start()
    for number in range(len(data.chunks)):
        with data.chunk(number):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data.chunks) > 50
    assert peak < 6 * 2**20


@pytest.mark.usefixtures("small_chunks")
def test_several_threads_read_the_data_set_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(run_data, "KEPT_BYTES", 1)
    reading, most = [], []

    class Watched(Lazy):
        def feeds(self, indices):
            reading.append(1)
            most.append(len(reading))
            found = super().feeds(indices)
            reading.pop()
            return found

    data, found = RunData(Watched(40), tmp_path, None), []
    threads = [threading.Thread(target=lambda: found.append(whole(data)[:, 0].tolist())) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [list(range(40))] * 4
    assert max(most) == 1


def test_an_array_that_all_samples_share_is_kept_as_it_is(tmp_path):
    files = RunData(Lazy(3, shared=("rate",)), tmp_path, None).first()
    assert np.load(files["rate"]).shape == ()
    assert np.load(files["rate"]) == 16000


def test_a_sample_larger_than_a_chunk_is_a_chunk_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(run_data, "CHUNK_BYTES", 100)
    assert len(RunData(Lazy(3), tmp_path, None).chunks) == 3


def test_data_without_labels_have_none(tmp_path):
    dataset = Lazy(3)
    dataset.labels = None
    assert RunData(dataset, tmp_path, None).labels is None


@pytest.mark.usefixtures("small_chunks")
def test_nan_is_refused_with_its_sample(tmp_path):
    class Missing(Lazy):
        def feeds(self, indices):
            found = super().feeds(indices)
            found["x"][np.asarray(indices) == 17, 5] = np.nan
            return found

    data = RunData(Missing(25), tmp_path, None)
    data.first()
    with pytest.raises(DataError, match="lazy: the input 'x' holds NaN, first in sample 17"), data.chunk(1):
        pass
    assert data.chunks[1] == range(10, 20)


class Masked(Lazy):
    """Samples 17 and later hold infinity."""

    def feeds(self, indices):
        found = super().feeds(indices)
        found["x"][np.asarray(indices) >= 17, 5] = -np.inf
        return found


@pytest.mark.usefixtures("small_chunks")
def test_infinite_values_are_taken_as_they_are_and_told_with_the_first_sample(tmp_path):
    data = RunData(Masked(25), tmp_path, None)
    data.first()
    assert data.warnings == []
    assert np.isinf(whole(data)).sum() == 8
    (warning,) = data.warnings
    assert warning.startswith("lazy: the input 'x' holds infinity, first in sample 17: ")


def test_a_full_disk_is_told_with_the_cure(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_data.np, "save", full)
    with pytest.raises(HarnessError, match=r"no room for the samples .No space left on device.: set TMPDIR"):
        RunData(Lazy(3), tmp_path, None).first()


def test_nan_in_a_part_is_told_by_its_number_in_the_file(tmp_path):
    rows = np.zeros((10, 2), np.float32)
    rows[5] = np.nan
    part = Part(ArrayDataset("own.npz", {"x": MemoryRows(rows)}), [1, 3, 5, 7])
    with pytest.raises(DataError, match=r"own.npz: the input 'x' holds NaN, first in sample 5:"):
        RunData(part, tmp_path, None).first()
