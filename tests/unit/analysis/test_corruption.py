"""Spoilt digits: deterministic, in range, and the worse the stronger."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.analysis.corruption import CORRUPTIONS, STRENGTHS, corrupted
from crossrt.datasets.mnist import digits as mnist

KINDS = list(CORRUPTIONS)


@pytest.fixture(scope="module")
def digits():
    return mnist.shipped("test").as_input()[:200]


def test_there_are_ten_kinds_of_five_strengths():
    assert len(KINDS) == 10
    assert all(len(amounts) == len(STRENGTHS) == 5 for _, amounts in CORRUPTIONS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_spoilt_digits_are_inputs_of_the_model(digits, kind):
    before = digits.copy()
    for strength in STRENGTHS:
        found = corrupted(digits, kind, strength, 0)
        assert (found.dtype, found.shape) == (np.float32, digits.shape)
        assert found.flags.c_contiguous
        assert np.isfinite(found).all()
        assert (found.min(), found.max()) >= (0, 0)
        assert found.max() <= 1
    np.testing.assert_array_equal(digits, before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_digits(digits, kind):
    np.testing.assert_array_equal(corrupted(digits, kind, 3, 5), corrupted(digits, kind, 3, 5))


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"blur", "contrast", "brightness"}))
def test_another_seed_gives_others(digits, kind):
    assert not np.array_equal(corrupted(digits, kind, 3, 5), corrupted(digits, kind, 3, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_stronger_is_farther_from_the_original(digits, kind):
    distances = [np.abs(corrupted(digits, kind, strength, 0) - digits).mean() for strength in STRENGTHS]
    assert distances == sorted(distances)
    assert distances[0] > 0


@pytest.mark.parametrize("kind", ["rotation", "shift", "scale"])
def test_both_ways_occur(digits, kind):
    """One digit, many times: it is moved in more than one way, and no other."""
    found = corrupted(np.repeat(digits[:1], 50, axis=0), kind, 3, 0)
    ways = {image.tobytes() for image in found}
    assert len(ways) == (4 if kind == "shift" else 2)
