"""Values that are not finite, samples in two data sets, ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossrt.core.tensor import ExpectedRange
from crossrt.datasets import samples
from crossrt.datasets.checks import (
    nonfinite,
    other_ranges,
    overlap,
    unexpected_ranges,
    value_ranges,
)
from crossrt.datasets.readers.callables import dataset_from


def data(**arrays):
    return dataset_from(arrays, "test")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Several chunks even for small data."""
    monkeypatch.setattr(samples, "CHUNK_BYTES", 64)


def test_values_that_are_not_finite_are_counted_and_located():
    x = np.zeros((50, 2, 3), np.float32)
    x[40, 1, 2], x[30, 0, 0], x[31, 0, 0] = np.inf, np.nan, np.nan
    (found,) = nonfinite(data(x=x, y=np.zeros(50), ids=np.arange(50)))
    assert (found.input, found.nan, found.infinite, found.first_sample) == ("x", 2, 1, 30)
    assert str(found) == "input 'x' holds 2 NaN and 1 infinite value(s), first in sample 30"


def test_a_shared_value_is_counted_once():
    (found,) = nonfinite(data(x=np.zeros((50, 9)), rate=np.float32(np.nan)))
    assert (found.input, found.nan, found.first_sample) == ("rate", 1, 0)


def test_finite_values_give_nothing():
    assert nonfinite(data(x=np.zeros((5, 2)), ids=np.arange(5))) == ()
    assert nonfinite(data(ids=np.arange(5))) == ()


def test_samples_beyond_the_limit_are_not_looked_at():
    x = np.zeros((50, 2))
    x[40] = np.nan
    assert nonfinite(data(x=x), limit=40) == ()
    assert nonfinite(data(x=x), limit=41) != ()


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1), st.lists(st.integers(0, 20), min_size=1))
def test_an_overlap_is_counted_and_located(test, calibration):
    found = overlap(data(x=np.array(test, np.float32)), data(y=np.array(calibration, np.float32)))
    both = [index for index, value in enumerate(test) if value in calibration]
    if not both:
        assert found is None
        return
    assert (found.count, found.first) == (len(both), both[0])
    assert found.first_in_other == calibration.index(test[both[0]])


def test_samples_overlap_only_where_all_inputs_are_the_same():
    x = np.arange(6.0).reshape(3, 2)
    assert overlap(data(x=x, y=x), data(x=x, y=x + 1)) is None
    assert overlap(data(x=x, y=x), data(x=x)) is None
    assert "3 sample(s) are in both data sets, first sample 0 (sample 0" in str(overlap(data(x=x), data(x=x)))


def test_ranges_are_of_finite_values_over_samples_spread_over_the_data():
    x = np.arange(1000.0)
    x[0] = np.nan
    (found,) = value_ranges(data(x=x), samples=10)
    assert (found.minimum, found.maximum, found.samples) == (100, 900, 10)


PIXELS = ExpectedRange(input="image", minimum=0, maximum=255, because="Rescaling(scale=1/255)")
STANDARD = ExpectedRange(input="image", minimum=-128.5, maximum=307, because="Normalization")


@pytest.mark.parametrize(
    ("ends", "expected", "is_named"),
    [
        ((0, 1), PIXELS, True),
        ((-1, 1), PIXELS, True),
        ((0, 1), STANDARD, True),
        ((-2, 2), STANDARD, True),
        ((0, 255), PIXELS, False),
        ((0, 255), STANDARD, False),
        ((10, 120), PIXELS, False),
        ((0, 65_535), PIXELS, True),
        ((0, 255), ExpectedRange(input="image", minimum=-0.8, maximum=1.1, because="Normalization"), True),
    ],
)
def test_values_far_from_what_the_first_layer_expects_are_named(ends, expected, is_named):
    found = unexpected_ranges(value_ranges(data(x=np.linspace(*ends, 50))), (expected,), {"image": "x"})
    assert len(found) == is_named
    if is_named:
        assert found[0].startswith(f"input 'image' lies in {ends[0]:g} to {ends[1]:.4g}, but the model's first layer")
        assert expected.because in found[0]
        assert ("feed raw values" in found[0]) == (ends[1] - ends[0] < expected.maximum - expected.minimum)


def test_text_and_empty_ranges_are_left_out():
    assert value_ranges(data(t=np.array(["a", "b"]), x=np.full(2, np.nan))) == ()


def test_data_on_another_scale_than_the_calibration_data_are_named():
    unit, bytes_, centred = (value_ranges(data(x=np.linspace(*ends, 50))) for ends in ((0, 1), (0, 255), (-1, 1)))
    (message,) = other_ranges(bytes_, unit)
    assert message == "input 'x' lies in 0 to 255, but the calibration data in 0 to 1: are both scaled alike?"
    assert other_ranges(centred, unit) != ()
    assert other_ranges(unit, bytes_) != ()
    assert other_ranges(unit, value_ranges(data(x=np.linspace(0.05, 0.9, 50)))) == ()
    assert other_ranges(unit, value_ranges(data(other=np.linspace(0, 255, 50)))) == ()
