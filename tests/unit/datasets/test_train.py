"""What happens to digits before the model is trained on them; the training itself is not run here."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.datasets.mnist.train import LARGEST_SHIFT, shifted, training_digits


@pytest.fixture
def dots():
    """Images with one bright pixel in the middle."""
    images = np.zeros((200, 28, 28, 1), np.float32)
    images[:, 14, 14, 0] = 1.0
    return images


def test_shifting_moves_up_to_two_pixels_in_both_directions(dots):
    moved = shifted(dots, np.random.default_rng(0))
    _, rows, columns, _ = np.nonzero(moved)
    assert len(rows) == len(dots)
    reach = range(14 - LARGEST_SHIFT, 14 + LARGEST_SHIFT + 1)
    assert set(rows) == set(columns) == set(reach)


def test_shifting_moves_zeros_in():
    moved = shifted(np.ones((50, 28, 28, 1), np.float32), np.random.default_rng(0))
    assert moved.shape == (50, 28, 28, 1)
    assert set(np.unique(moved)) == {0.0, 1.0}


def test_shifting_leaves_its_input_alone(dots):
    before = dots.copy()
    shifted(dots, np.random.default_rng(0))
    np.testing.assert_array_equal(dots, before)


def test_shifting_follows_the_seed(dots):
    first, again, other = (shifted(dots, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_shipped_digits_can_be_trained_on():
    assert len(training_digits("shipped").labels) == 10_000


def test_a_folder_without_digits_is_named(tmp_path):
    with pytest.raises(DataError, match="train-images-idx3-ubyte") as caught:
        training_digits(str(tmp_path))
    assert str(tmp_path) in str(caught.value)
