import math
import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from crossrt.core.errors import DataError
from crossrt.datasets.tasks import slices
from crossrt.datasets.tasks.closeness import answers_sha256, compare
from crossrt.datasets.tasks.slices import INFINITE, VALUES


def only(outputs, reference, steps=None, **options):
    found = compare({"y": outputs}, {"y": reference}, {} if steps is None else {"y": steps}, **options)
    return found.errors[0], found


def all_finite(record):
    numbers = [value for value in msgspec.to_builtins(record).values() if isinstance(value, float)]
    return all(math.isfinite(value) for value in numbers)


def test_errors_follow_from_their_formulas():
    x, y = np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([[3.0, 0.5], [0.0, 4.0]])
    error, found = only(y, x, 0.25)
    assert (error.max_abs, error.mean_abs, error.max_steps) == (0.5, 0.125, 2.0)
    assert error.relative == pytest.approx(0.1)
    assert error.sqnr_db == pytest.approx(20.0)
    assert error.cosine == pytest.approx(25 / (5 * math.sqrt(25.25)))
    assert found.agrees.tolist() == [False, True]


@given(arrays(np.float32, array_shapes(min_dims=1, max_dims=3), elements=st.floats(width=32)), st.data())
def test_records_are_finite_whatever_the_outputs_are(x, data):
    y = data.draw(arrays(np.float32, x.shape, elements=st.floats(width=32)))
    error, found = only(y, x, 1e-3)
    assert all_finite(error)
    assert found.agrees.shape == x.shape[:1]


@given(arrays(np.float64, array_shapes(min_dims=1, max_dims=3), elements=st.floats()), st.data())
def test_records_are_finite_for_float64_up_to_its_limits(x, data):
    y = data.draw(arrays(np.float64, x.shape, elements=st.floats()))
    assert all_finite(only(y, x, 1e-300)[0])


@given(arrays(np.float64, array_shapes(min_dims=1, max_dims=3), elements=st.floats()))
def test_outputs_agree_with_themselves(x):
    error, found = only(x.copy(), x)
    assert error.max_abs == error.mean_abs == 0.0
    assert error.sqnr_db is None
    assert found.agrees.all()
    assert found.notes == ()


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 50), st.integers(0, 2**31))
def test_slices_do_not_change_results(samples, width, values, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, width))
    y = x + rng.normal(size=x.shape) * 0.05
    whole, one = only(y, x)
    sha = answers_sha256({"y": y})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "VALUES", values)
        patch.setattr("crossrt.datasets.tasks.closeness.VALUES", values)
        cut, other = only(y, x)
        assert answers_sha256({"y": y}) == sha
    for name in ("max_abs", "mean_abs", "relative", "cosine", "sqnr_db"):
        assert getattr(cut, name) == pytest.approx(getattr(whole, name))
    assert (one.agrees == other.agrees).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_same_value_that_is_not_finite_is_equal(value):
    x = np.array([[1.0, value], [2.0, 3.0]])
    error, found = only(x.copy(), x)
    assert error.max_abs == 0
    assert error.relative == 0
    assert found.agrees.all()


@pytest.mark.parametrize(("ours", "theirs"), [(np.nan, 1.0), (1.0, np.inf), (np.inf, -np.inf), (np.nan, np.inf)])
def test_another_value_that_is_not_finite_is_an_infinite_difference(ours, theirs):
    error, found = only(np.array([[1.0, ours], [2.0, 3.0]]), np.array([[1.0, theirs], [2.0, 3.0]]), 0.5)
    assert error.max_abs == error.mean_abs == error.relative == error.max_steps == INFINITE
    assert error.cosine is None
    assert error.sqnr_db == pytest.approx(-6165, abs=1)
    assert found.agrees.tolist() == [False, True]
    assert "output 'y': 1 of 4 values are NaN or infinite" in found.notes[0]


def test_squares_of_large_and_of_small_float64_neither_overflow_nor_vanish():
    for size in (1e300, 1e-300):
        x = np.array([[size], [2 * size]])
        error, found = only(x * 1.01, x)
        assert error.relative == pytest.approx(0.01)
        assert error.sqnr_db == pytest.approx(40)
        assert error.cosine == pytest.approx(1)
        assert found.agrees.all()


def test_a_reference_of_zeros_has_no_relative_error():
    error, found = only(np.full((2, 3), 1e-9), np.zeros((2, 3)))
    assert error.relative is error.sqnr_db is error.cosine is None
    assert not found.agrees.any()
    assert only(np.zeros((2, 3)), np.zeros((2, 3)))[1].agrees.all()


def test_a_sample_near_zero_is_compared_with_the_typical_scale():
    x = np.array([[1.0], [1.0], [1e-6], [0.0]])
    assert only(x + 0.01, x)[1].agrees.all()
    assert not only(x + 0.06, x)[1].agrees.any()


def test_the_tolerance_can_be_chosen():
    x = np.ones((3, 4))
    assert only(x * 1.02, x)[1].agrees.all()
    assert not only(x * 1.02, x, tolerance=0.01)[1].agrees.any()


def test_ids_agree_by_elements_and_small_integers_by_size():
    x = np.full((2, 4), 100)
    assert not only(x + 1, x)[1].agrees.any()
    assert only((x + 1).astype(np.uint8), x.astype(np.uint8))[1].agrees.all()
    assert only(x + 1, x)[0].max_abs == 1


def test_unsigned_integers_do_not_wrap_around():
    assert only(np.array([[0]], np.uint8), np.array([[255]], np.uint8))[0].max_abs == 255


def test_booleans_are_numbers():
    error, found = only(np.array([True, False]), np.array([True, True]))
    assert (error.max_abs, error.mean_abs) == (1.0, 0.5)
    assert found.agrees.tolist() == [True, False]


@pytest.mark.parametrize("dtype", [object, str])
def test_text_is_compared_for_equality(dtype):
    error, found = only(np.array(["cat", "dog"], dtype), np.array(["cat", "cow"], dtype))
    assert (error.max_abs, error.mean_abs, error.relative) == (1.0, 0.5, None)
    assert found.agrees.tolist() == [True, False]


def test_all_outputs_of_a_sample_must_agree():
    x = np.ones((2, 1))
    found = compare({"a": x, "b": x * [[1], [2]]}, {"a": x, "b": x})
    assert found.agrees.tolist() == [True, False]
    assert [error.output for error in found.errors] == ["a", "b"]
    assert found.max_abs == 1


@pytest.mark.parametrize(
    ("outputs", "reference", "message"),
    [
        ({"y": np.ones((2, 3))}, {"y": np.ones((2, 4))}, r"'y' has the shape \(2, 3\), the reference's has \(2, 4\)"),
        ({"y": np.ones(2)}, {"z": np.ones(2)}, "outputs y cannot be compared with the reference's z"),
        ({"y": np.ones(2)}, {"y": np.array(["a", "b"])}, "text against numbers"),
        ({}, {}, "no outputs"),
        ({"y": np.ones((0, 3))}, {"y": np.ones((0, 3))}, "no samples"),
        ({"y": np.ones(())}, {"y": np.ones(())}, "no dimension for samples"),
        ({"y": np.array([{}, {}])}, {"y": np.array([{}, {}])}, "'y' holds dict; numbers, booleans or text"),
        ({"y": np.ones(2, complex)}, {"y": np.ones(2, complex)}, "complex128"),
        ({"a": np.ones(2), "b": np.ones(3)}, {"a": np.ones(2), "b": np.ones(3)}, "'a' 2, 'b' 3"),
    ],
)
def test_outputs_that_cannot_be_compared_are_refused(outputs, reference, message):
    with pytest.raises(DataError, match=message):
        compare(outputs, reference)


def test_the_hash_covers_all_outputs_in_order_of_name():
    a, b = np.arange(6, dtype=np.float32), np.arange(3)
    assert answers_sha256({"a": a, "b": b}) == answers_sha256({"b": b, "a": a})
    assert answers_sha256({"a": a, "b": b}) != answers_sha256({"a": a, "b": b + 1})
    assert answers_sha256({"a": a}) == answers_sha256({"a": a.astype(">f4")})
    assert answers_sha256({"a": np.array(["a", "bc"])}) != answers_sha256({"a": np.array(["ab", "c"])})
    assert answers_sha256({"a": np.array(["a", "bc"])}) == answers_sha256({"a": np.array(["a", "bc"], object)})


@pytest.mark.parametrize("shape", [(4096, 8192), (2, 128, 128, 1024)])
def test_memory_stays_bounded_for_arrays_on_disk(tmp_path, shape):
    paths = [tmp_path / "x.npy", tmp_path / "y.npy"]
    for path in paths:
        np.lib.format.open_memmap(path, "w+", np.float32, shape).flush()
    x, y = (np.load(path, mmap_mode="r") for path in paths)
    assert x.nbytes >= 2**27
    tracemalloc.start()
    found = compare({"y": y}, {"y": x})
    answers_sha256({"y": y})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.agrees.all()
    assert peak < 100 * 2**20
    assert x.size > 8 * VALUES


def test_the_typical_scale_is_that_of_samples_with_a_signal():
    x = np.array([[1.0], [0.0], [0.0], [0.0]])
    assert only(x + 0.01, x)[1].agrees.all()
