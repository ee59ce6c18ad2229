"""Answers to all samples, chunk by chunk, and those of a source model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from crossrt.core.errors import ArtifactError
from crossrt.core.tensor import TensorSpec
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate import answers as module
from crossrt.harness.evaluate import run_data
from crossrt.harness.evaluate.answers import collect_answers, read_reference
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.process.case_worker import Answered


class Numbers:
    """The sample number `n` is `[n]`."""

    name, fingerprint, notes, labels, shared = "numbers", "f" * 64, (), None, frozenset()
    inputs = {"x": TensorSpec(name="x", dtype="int64", shape=(1,))}  # noqa: RUF012

    def __init__(self, samples):
        self._samples = samples

    def __len__(self):
        return self._samples

    def feeds(self, indices):
        return {"x": np.asarray(indices).reshape(-1, 1)}


class Feeding:
    """Hands the file on."""

    def inputs(self, files):
        return files["x"]


class Worker:
    """Answers each chunk by functions of its samples; one that gives None has another shape from call to call."""

    def __init__(self, **outputs):
        self.outputs, self.timeouts = outputs, []

    def evaluate(self, inputs, samples, batch_size, folder, timeout_s):  # noqa: ARG002
        self.timeouts.append(timeout_s)
        rows, problems = np.load(inputs), {}
        assert len(rows) == samples
        for number, (name, function) in enumerate(self.outputs.items()):
            if (found := function(rows)) is None:
                problems[name] = "its shape differs from call to call"
            else:
                np.save(Path(folder) / f"{number}.npy", found)
        return Answered(outputs=tuple(self.outputs), problems=problems)

    def failure(self, reason):
        return ChildFailedError(reason, "")


@pytest.fixture
def collect(tmp_path, monkeypatch):
    """Collects the answers to 25 samples in chunks of ten."""
    monkeypatch.setattr(run_data, "CHUNK_BYTES", 80)

    def run(worker, samples=25, call_ns=1000):
        return collect_answers(worker, Feeding(), RunData(Numbers(samples), tmp_path, None), 4, call_ns)

    return run


def test_several_outputs_of_several_chunks_are_joined_in_order(collect):
    found = collect(Worker(same=lambda rows: rows, twice=lambda rows: 2.0 * rows.repeat(3, axis=1)))
    assert found.problems == {}
    assert found.outputs["same"].ravel().tolist() == list(range(25))
    assert found.outputs["twice"].shape == (25, 3)
    assert found.outputs["twice"][24].tolist() == [48.0] * 3


def test_answers_lie_on_disk_and_are_dropped_with_their_folder(collect):
    found = collect(Worker(same=lambda rows: rows))
    assert isinstance(found.outputs["same"], np.memmap)
    assert [path.name for path in found.folder.iterdir()] == ["0.npy"]
    found.drop()
    assert not found.folder.exists()


def test_an_output_whose_shape_differs_from_call_to_call_is_left_out_with_the_reason(collect):
    found = collect(Worker(boxes=lambda _: None, same=lambda rows: rows))
    assert found.outputs.keys() == {"same"}
    assert found.problems == {"boxes": "its shape differs from call to call"}


def test_an_output_whose_shape_differs_from_chunk_to_chunk_is_left_out_with_both_shapes(collect):
    found = collect(Worker(boxes=lambda rows: np.ones((len(rows), 1 + int(rows[0, 0]))), same=lambda rows: rows))
    assert found.outputs.keys() == {"same"}
    assert "(11,) and (1,)" in found.problems["boxes"]


def test_text_is_kept_as_text(collect):
    found = collect(Worker(word=lambda rows: np.array([f"n{row[0] % 10}" for row in rows])))
    assert found.outputs["word"].dtype.kind == "U"
    assert found.outputs["word"][13] == "n3"


def test_text_that_grows_longer_is_not_cut(collect):
    found = collect(Worker(word=lambda rows: np.array(["x" * (1 + row[0]) for row in rows])))
    assert [len(word) for word in found.outputs["word"]] == list(range(1, 26))


def test_an_output_that_holds_no_number_at_all_fails(collect):
    nothing = Worker(fine=lambda rows: rows, y=lambda rows: np.full((len(rows), 3), np.nan))
    with pytest.raises(ChildFailedError, match="output y holds nothing but NaN or infinite values"):
        collect(nothing)


def test_an_output_with_some_numbers_is_answered(collect):
    found = collect(
        Worker(y=lambda rows: np.where(rows == 24, 1.0, -np.inf), empty=lambda rows: np.ones((len(rows), 0)))
    )
    assert found.outputs["y"][24] == 1.0
    assert found.outputs["empty"].shape == (25, 0)


def test_slow_models_have_time_for_their_samples(collect):
    worker = Worker(same=lambda rows: rows)
    collect(worker, call_ns=2_000_000_000)
    assert worker.timeouts[0] >= 2 * 10 / 4
    assert len(worker.timeouts) == 3


@pytest.fixture
def reference(tmp_path, make_reference):
    """Writes answers of a source model."""

    def write(**outputs):
        found = make_reference(tmp_path)
        np.savez(found.path, allow_pickle=False, **outputs)
        return dataclasses.replace(found, samples=len(next(iter(outputs.values()))))

    return write


def test_a_reference_is_cut_to_the_samples_of_the_run(reference):
    found = read_reference(reference(y=np.arange(10.0), z=np.ones((10, 2))), 4)
    assert found["y"].tolist() == [0, 1, 2, 3]
    assert found["z"].shape == (4, 2)


def test_a_reference_with_too_few_answers_says_how_many(reference):
    with pytest.raises(ArtifactError, match="holds answers to 10 of 11 samples"):
        read_reference(reference(y=np.arange(10.0)), 11)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_a_damaged_reference_is_named(make_reference, tmp_path, content):
    with pytest.raises(ArtifactError, match=r"reference.npz cannot be read .*: run crossrt export again"):
        read_reference(make_reference(tmp_path, content=content), 4)


def test_a_reference_is_never_unpickled(reference):
    found = reference(y=np.arange(10.0))
    np.savez(found.path, y=np.array([{}] * 10, dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError, match="cannot be read"):
        module.read_reference(found, 4)
