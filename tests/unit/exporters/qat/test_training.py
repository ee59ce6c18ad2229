"""What surrounds a training: grids, data, objectives, checkpoints and curves; nothing is trained here."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec, batching_of
from crossrt.datasets.samples import ArrayDataset, MemoryRows
from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.qat.checkpoints import VARIABLES, Checkpoints, Settings, State
from crossrt.exporters.training.qat.curves import half_written_line, read_curves, write_curves
from crossrt.exporters.training.qat.data import Subset, fitted, open_split
from crossrt.exporters.training.qat.grid import (
    LEVELS,
    LOWEST,
    affine_of_range,
    channel_scales,
    coarse,
    nearest,
    with_clean_reciprocal,
)
from crossrt.exporters.training.qat.jobs import Epoch, Score
from crossrt.exporters.training.qat.objective import objective_for

SPECS = (TensorSpec(name="x", dtype="float32", shape=("batch", 3)),)
SETTINGS = Settings(
    model="a" * 64,
    data="b" * 64,
    validation=None,
    validation_share=0.1,
    epochs=5,
    learning_rate=1e-4,
    batch_size=64,
    weight_bits=8,
    patience=None,
    seed=0,
    task="classification",
)


def epoch(number, metric=0.9):
    score = Score(loss=0.5, metric=metric)
    return Epoch(epoch=number, train=score, validation=score, learning_rate=1e-4, samples_per_s=1000.0)


def state(last, best=None):
    epochs = tuple(epoch(number) for number in range(last + 1))
    return State(settings=SETTINGS, float_score=None, epochs=epochs, best=last if best is None else best)


@pytest.mark.parametrize("seed", range(20))
def test_every_converter_finds_the_scale_of_a_range_again_to_the_last_bit(seed):
    low, high = np.sort(np.random.default_rng(seed).normal(0, 10.0 ** (seed % 7 - 3), 2))
    affine = affine_of_range(low, high)
    scale = np.float32(affine.scale)
    for kind in (np.float32, np.float64):
        assert np.float32((kind(affine.high) - kind(affine.low)) / kind(LEVELS)) == scale
    assert affine.low == float(scale) * (LOWEST - affine.zero_point)  # nothing was rounded
    assert affine.low <= 0 <= affine.high
    assert affine.high - affine.low >= max(high, 0) - min(low, 0)


def test_pixels_from_minus_one_to_one_do_not_lie_between_two_steps():
    pixels = np.arange(256) / 127.5 - 1
    affine = affine_of_range(-1, 1)
    places = pixels / affine.scale
    assert np.abs(places - np.floor(places) - 0.5).min() > 1e-3
    assert affine.low <= -1 + 1e-6
    assert affine.high >= 1 - 1e-6


def test_a_coarse_scale_is_the_next_one_upwards():
    scales = np.random.default_rng(0).lognormal(0, 5, 1000).astype(np.float32)
    found = coarse(scales)
    assert (found >= scales * np.float32(1 - 2**-20)).all()
    assert (found <= scales * np.float32(1 + 2**-15)).all()
    assert not (found.view(np.int32) & 255).any()
    np.testing.assert_array_equal(coarse(found), found)


def test_a_scale_that_was_rounded_up_before_stays():
    found = coarse(np.random.default_rng(0).lognormal(0, 5, 1000).astype(np.float32))
    for nearly in (found * np.float32(1 - 2**-23), found * np.float32(1 + 2**-23)):
        np.testing.assert_array_equal(coarse(nearly), found)
        np.testing.assert_array_equal(nearest(nearly), found)


def test_dividing_by_an_input_scale_is_multiplying_by_its_reciprocal():
    random = np.random.default_rng(0)
    values = random.normal(0, 40, 200_000).astype(np.float32)
    for scale in random.lognormal(-3, 1, 20):
        found = with_clean_reciprocal(scale)
        assert scale * (1 - 2**-20) <= found <= scale * 1.05
        np.testing.assert_array_equal(np.rint(values / found), np.rint(values * (np.float32(1) / found)))
        assert with_clean_reciprocal(float(found)) == found


def test_a_channel_without_weights_has_a_scale():
    scales = channel_scales(np.array([0.0, 12.7], np.float32), 8)
    assert scales[1] == pytest.approx(0.1, rel=1e-4)
    assert 0 < scales[0] < 1e-4


def rows(count, **more):
    return ArrayDataset("own", {"x": MemoryRows(np.arange(3 * count, dtype=np.float32).reshape(count, 3))}, **more)


def test_the_part_that_is_held_out_follows_from_the_seed(tmp_path):
    path = tmp_path / "train.npz"
    np.savez(path, x=np.arange(60, dtype=np.float32).reshape(20, 3), labels=np.arange(20))
    request = {"reference": str(path)}
    first, again, other = (open_split(request, None, 0.25, seed, SPECS) for seed in (1, 1, 2))
    assert (len(first.train), len(first.validation)) == (15, 5)
    assert sorted([*first.train.labels, *first.validation.labels]) == list(range(20))
    assert first.validation.labels.tolist() == again.validation.labels.tolist()
    assert first.validation.labels.tolist() != other.validation.labels.tolist()
    np.testing.assert_array_equal(first.validation.feeds([0])["x"][0][0], 3 * first.validation.labels[0])
    with pytest.raises(DataError, match=r"a share of 0\.01 cannot be held out"):
        open_split(request, None, 0.01, 0, SPECS)


def test_the_order_of_an_epoch_depends_on_seed_and_number_alone():
    samples = fitted(rows(10), SPECS, batching_of(SPECS), np.arange(10))

    def order(seed, number):
        return np.concatenate([labels for _, labels in samples.epoch(seed, number, 4)]).tolist()

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4)
    assert sorted(order(0, 3)) == list(range(10))


def test_a_sample_that_holds_nan_is_named():
    dataset = rows(10)
    broken = ArrayDataset("own", {"x": MemoryRows(np.where(np.eye(10, 3) > 0, np.nan, 1).astype(np.float32))})
    samples = fitted(Subset(broken, np.array([5, 1])), SPECS, batching_of(SPECS), np.arange(10))
    with pytest.raises(DataError, match="'x' holds NaN or infinity in sample 1:"):
        samples.take([0, 1])
    fitted(dataset, SPECS, batching_of(SPECS), np.arange(10)).take([0, 1])


@pytest.mark.parametrize(
    ("labels", "shape", "task", "kind"),
    [
        (np.array([0, 2, 1]), (3,), None, "classes"),
        (np.eye(3), (3,), None, "classes"),
        (np.array([[0], [2], [1]]), (3,), None, "classes"),
        (np.array([0, 1, 1]), (1,), None, "two classes"),
        (np.array([0.5, 2, 1]), (1,), None, "numbers"),
        (np.array([7, 8, 9]), (1,), None, "numbers"),
        (np.zeros((3, 2, 2)), (2, 2), None, "numbers"),
        (np.full((3, 2), 7.0), (2,), None, "numbers"),
        (np.array([0, 2, 1]), (1,), "regression", "numbers"),
    ],
)
def test_the_loss_follows_from_labels_and_output(labels, shape, task, kind):
    objective, found = objective_for(labels, 3, shape, "out", task)
    assert objective.kind == kind
    assert len(found) == 3


@pytest.mark.parametrize(
    ("labels", "shape", "task", "said"),
    [
        (None, (3,), None, "training needs labels, and the data hold none"),
        (np.array([0, 3, 1]), (3,), None, "outside the 3 classes"),
        (np.array([0.5, 2, 1]), (3,), None, r"the output out is \(3, 3\): give labels of that shape"),
        (np.array([0, 5, 1]), (1,), "classification", "labels of 0 and 1 are expected, found up to 5"),
        (np.array([0, 1, 1]), (4, 4, 2), "classification", "one score for each class is expected"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, shape, task, said):
    with pytest.raises(DataError, match=said):
        objective_for(labels, 3, shape, "out", task)


def test_the_last_and_the_best_checkpoint_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for last, best in ((1, 1), (2, 2), (3, 2), (4, 2)):
        checkpoints.save(state(last, best), {"a": np.full(3, last)})
    assert sorted(each.name for each in tmp_path.iterdir()) == ["epoch-0002", "epoch-0004"]
    found, variables = checkpoints.latest(SETTINGS)
    assert (found.epochs[-1].epoch, found.best, variables["a"].tolist()) == (4, 2, [4, 4, 4])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "c" * 64}, "is that of another model"),
        ({"seed": 3, "epochs": 9}, "was made with epochs 5, seed 0: --resume goes on with the same settings alone"),
        ({"data": "c" * 64}, "was made with data bbbbbbbb"),
        ({"backend": "jax"}, "with Keras on tensorflow, and this is jax, which adds in another order: set"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, changed, said):
    Checkpoints(tmp_path).save(state(1), {"a": np.zeros(3)})
    with pytest.raises(ExportError, match=said):
        Checkpoints(tmp_path).latest(replace(SETTINGS, **changed))


def test_nothing_to_go_on_with_is_said(tmp_path):
    with pytest.raises(ExportError, match="holds no checkpoint to go on with"):
        Checkpoints(tmp_path / "none").latest(SETTINGS)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    Checkpoints(tmp_path).save(state(1), {"a": np.zeros(3)})
    (tmp_path / "epoch-0001" / VARIABLES).write_bytes(damage)
    with pytest.raises(ExportError, match=r"epoch-0001 is damaged .* there is none before it: .* without --resume"):
        Checkpoints(tmp_path).latest(SETTINGS)


def test_the_checkpoint_before_a_damaged_one_is_named(tmp_path):
    for number in (1, 3):
        Checkpoints(tmp_path).save(replace(state(number), best=1), {"a": np.zeros(3)})
    (tmp_path / "epoch-0003" / VARIABLES).write_bytes(b"")
    with pytest.raises(ExportError, match=r"epoch-0003 is damaged .*: delete that folder, and --resume .* epoch-0001"):
        Checkpoints(tmp_path).latest(SETTINGS)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1), {"a": np.zeros(3)})

    def full(path, **_):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(ExportError, match=r"the checkpoint of epoch 2 cannot be written .*No space left.* --resume"):
        checkpoints.save(state(2), {"a": np.ones(3)})
    assert [each.name for each in tmp_path.iterdir()] == ["epoch-0001"]
    assert checkpoints.latest(SETTINGS)[0].epochs[-1].epoch == 1


def test_curves_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "curves.jsonl"
    write_curves((epoch(0), epoch(1)), path)
    write_curves((epoch(0), epoch(1), epoch(2, 0.95)), path)
    assert read_curves(path) == (epoch(0), epoch(1), epoch(2, 0.95))
    assert [each.name for each in tmp_path.iterdir()] == ["curves.jsonl"]


def test_a_half_written_last_line_is_left_out_and_known(tmp_path):
    path = tmp_path / "curves.jsonl"
    write_curves((epoch(0), epoch(1)), path)
    assert half_written_line(path) is None
    path.write_bytes(path.read_bytes() + b'{"epoch": 2, "tr')
    assert read_curves(path) == (epoch(0), epoch(1))
    assert half_written_line(path) == 3


@pytest.mark.parametrize(("number", "line"), [(1, b'{"epoch": 0, '), (2, b"PK\x03\x04"), (2, b'{"epoch": "two"}')])
def test_any_other_line_that_is_no_epoch_is_named(tmp_path, number, line):
    path = tmp_path / "curves.jsonl"
    write_curves((epoch(0), epoch(1)), path)
    lines = path.read_bytes().splitlines()
    lines[number - 1] = line
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(ExportError, match=rf"curves.jsonl does not hold the curves of a training \(line {number}: "):
        read_curves(path)
