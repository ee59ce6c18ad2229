"""Corrupted images: deterministic, in range, the worse the stronger, in any layout and dtype."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.analysis.corruption import CORRUPTIONS, STRENGTHS, corrupted, layout_of
from crossrt.core.errors import DataError
from crossrt.datasets.mnist import digits as mnist

KINDS = list(CORRUPTIONS)


@pytest.fixture(scope="module")
def images():
    return mnist.shipped("test").as_input()[:200]


def test_there_are_ten_kinds_of_five_strengths():
    assert len(KINDS) == 10
    assert all(len(amounts) == len(STRENGTHS) == 5 for _, amounts in CORRUPTIONS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_corrupted_images_are_inputs_of_the_model(images, kind):
    before = images.copy()
    for strength in STRENGTHS:
        found = corrupted(images, kind, strength, 0)
        assert (found.dtype, found.shape) == (np.float32, images.shape)
        assert found.flags.c_contiguous
        assert np.isfinite(found).all()
        assert (found.min(), found.max()) >= (0, 0)
        assert found.max() <= 1
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_images(images, kind):
    np.testing.assert_array_equal(corrupted(images, kind, 3, 5), corrupted(images, kind, 3, 5))


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"blur", "contrast", "brightness"}))
def test_another_seed_gives_others(images, kind):
    assert not np.array_equal(corrupted(images, kind, 3, 5), corrupted(images, kind, 3, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_stronger_is_farther_from_the_original(images, kind):
    distances = [np.abs(corrupted(images, kind, strength, 0) - images).mean() for strength in STRENGTHS]
    assert distances == sorted(distances)
    assert distances[0] > 0


@pytest.mark.parametrize("kind", ["rotation", "shift", "scale"])
def test_both_ways_occur(images, kind):
    """One image, many times: it is moved in more than one way, and no other."""
    found = corrupted(np.repeat(images[:1], 50, axis=0), kind, 3, 0)
    ways = {image.tobytes() for image in found}
    assert len(ways) == (4 if kind == "shift" else 2)


@pytest.mark.parametrize("kind", KINDS)
def test_layouts_differ_by_where_the_channels_lie_alone(kind):
    colour = np.random.default_rng(0).random((6, 24, 20, 3), dtype=np.float32)
    last = corrupted(colour, kind, 3, 0)
    first = corrupted(np.moveaxis(colour, -1, 1), kind, 3, 0, layout="channels-first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), last)
    plain = corrupted(colour[..., 0], kind, 3, 0, layout="no-channels")
    np.testing.assert_array_equal(plain, corrupted(colour[..., :1], kind, 3, 0)[..., 0])


@pytest.mark.parametrize("kind", KINDS)
def test_values_stay_in_the_range_of_the_data(images, kind):
    shifted = (images * 4 - 1).astype(np.float32)
    found = corrupted(shifted, kind, 4, 0, value_range=(-1, 3))
    assert found.min() >= -1
    assert found.max() <= 3
    np.testing.assert_allclose((found + 1) / 4, corrupted(images, kind, 4, 0), atol=1e-5)
    bytes_ = (images * 255).astype(np.uint8)
    assert corrupted(bytes_, kind, 2, 0, value_range=(0, 255)).dtype == np.uint8


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((28, 28, 1), "channels-last"),
        ((224, 224, 3), "channels-last"),
        ((3, 32, 48), "channels-first"),
        ((28, 28), "no-channels"),
    ],
)
def test_the_layout_follows_from_the_number_of_channels(shape, expected):
    assert layout_of(shape, "uint8") == expected


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        ((16, 16, 16), "float32", "1, 3 or 4 channels are expected first or last"),
        ((3, 32, 3), "float32", "channels may be first or last"),
        ((10,), "float32", "samples are not images"),
        ((28, 28, 1), "int64", "samples are not images"),
        ((4, 28, 1), "float32", "channels may be first or last"),
        ((3, 4, 5), "float32", "too small to corrupt"),
    ],
)
def test_what_is_not_an_image_is_refused(shape, dtype, words):
    with pytest.raises(DataError, match=words):
        layout_of(shape, dtype)


def test_a_layout_that_the_user_names_decides():
    assert layout_of((16, 16, 16), "float32", "channels-first") == "channels-first"
    with pytest.raises(DataError, match="cannot have the layout no-channels"):
        layout_of((16, 16, 3), "float32", "no-channels")
