"""The methods compared with their formulas, written down another way, on arrays alone."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from crossrt.exporters.quantizers.methods.adaround import adaround
from crossrt.exporters.quantizers.methods.added_bias import AddedBias
from crossrt.exporters.quantizers.methods.clipping import least_squares_range
from crossrt.exporters.quantizers.methods.gpfq import gpfq
from crossrt.exporters.quantizers.methods.grid import Grid
from crossrt.exporters.quantizers.methods.layers import array
from crossrt.exporters.quantizers.methods.moments import Moments

INPUTS, OUTPUTS, ROWS = 24, 5, 400


def grid_of(weights, levels=8):
    scale = np.abs(weights).max(axis=2, keepdims=True) / (levels - 1)
    return Grid(scale=scale, zero_point=np.zeros((1, 1, 1)), low=-levels, high=levels - 1)


@pytest.fixture
def problem():
    """Weights, correlated inputs of the float model, and what the quantized one makes of them."""
    generator = np.random.default_rng(7)
    mixing = generator.normal(size=(INPUTS, INPUTS)) * np.linspace(2, 0.05, INPUTS)[:, None]
    exact = (generator.normal(size=(1, ROWS, INPUTS)) @ mixing).astype(np.float32)
    found = (np.rint(exact / 0.1) * 0.1).astype(np.float32)
    weights = generator.normal(size=(1, OUTPUTS, INPUTS)).astype(np.float32)
    moments = Moments.empty(1, INPUTS)
    moments.add(exact[:, :150], found[:, :150])
    moments.add(exact[:, 150:], found[:, 150:])
    return weights, exact, found, moments


def error(weights, rounded, exact, found):
    sums = exact.astype(np.float64) @ weights.transpose(0, 2, 1) - found.astype(np.float64) @ rounded.transpose(0, 2, 1)
    return float(np.square(sums).sum())


def test_second_moments_give_the_error_over_all_rows(problem):
    weights, exact, found, moments = problem
    rounded = grid_of(weights).values(grid_of(weights).nearest(weights))
    assert moments.rows == ROWS
    assert moments.errors(weights, rounded).sum() == pytest.approx(error(weights, rounded, exact, found), rel=1e-4)


def test_gpfq_follows_the_path_of_the_paper(problem):
    weights, exact, found, moments = problem
    grid = grid_of(weights)
    expected = np.zeros(weights.shape)
    for neuron in range(OUTPUTS):
        scale, left = float(grid.scale[0, neuron, 0]), np.zeros(ROWS)
        for place in range(INPUTS):
            x, y = exact[0, :, place].astype(np.float64), found[0, :, place].astype(np.float64)
            left = left + weights[0, neuron, place] * x
            expected[0, neuron, place] = np.clip(np.rint(y @ left / (y @ y) / scale), -8, 7)
            left = left - expected[0, neuron, place] * scale * y
    assert (gpfq(weights, grid, moments) == expected).mean() > 0.99  # moments are float32


def test_an_input_that_is_always_zero_keeps_its_nearest_integers(problem):
    weights, exact, found, _ = problem
    exact, found = exact.copy(), found.copy()
    exact[..., 3] = found[..., 3] = 0
    moments = Moments.empty(1, INPUTS)
    moments.add(exact, found)
    grid = grid_of(weights)
    assert (gpfq(weights, grid, moments)[..., 3] == grid.nearest(weights)[..., 3]).all()


@pytest.mark.parametrize("method", [gpfq, adaround])
def test_the_error_of_the_output_is_less_than_that_of_rounding_to_the_nearest(problem, method):
    weights, exact, found, moments = problem
    grid = grid_of(weights)
    integers = method(weights, grid, moments)
    assert integers.min() >= grid.low
    assert integers.max() <= grid.high
    nearest = error(weights, grid.values(grid.nearest(weights)), exact, found)
    assert error(weights, grid.values(integers), exact, found) < 0.6 * nearest


def test_adaround_rounds_up_or_down_and_never_further(problem):
    weights, *_, moments = problem
    grid = grid_of(weights)
    integers = adaround(weights, grid, moments)
    assert (np.abs(integers - np.clip(weights / grid.scale, grid.low, grid.high)) < 1 + 1e-6).all()
    assert (integers != grid.nearest(weights)).any()


def best_of_all(weights, grid, exact):
    floors = np.floor(weights / grid.scale)
    shifts = (np.array([number >> bit & 1 for bit in range(8)]) for number in range(256))
    return min(
        error(weights, grid.values(np.clip(floors + each, grid.low, grid.high)), exact, exact) for each in shifts
    )


def test_adaround_comes_near_the_best_of_all_roundings():
    gaps = []
    for seed in range(8):
        generator = np.random.default_rng(seed)
        exact = (generator.normal(size=(1, 200, 8)) @ generator.normal(size=(8, 8))).astype(np.float32)
        weights = generator.normal(size=(1, 1, 8)).astype(np.float32)
        moments, grid = Moments.empty(1, 8), grid_of(weights, levels=4)
        moments.add(exact, exact)
        best = best_of_all(weights, grid, exact)
        nearest, learned = (
            error(weights, grid.values(each), exact, exact)
            for each in (grid.nearest(weights), adaround(weights, grid, moments))
        )
        assert best <= learned * (1 + 1e-6)
        gaps.append((learned - best, nearest - best))
    assert sum(each for each, _ in gaps) < 0.4 * sum(each for _, each in gaps)


def quantization_error(values, low, high, levels):
    scale = (high - low) / (levels - 1)
    zero = np.rint(-low / scale)
    return np.square(values - (np.clip(np.rint(values / scale) + zero, 0, levels - 1) - zero) * scale).sum()


def test_least_squares_cuts_heavy_tails_off_as_the_best_of_many_ranges_does():
    heavy = np.random.default_rng(1).laplace(size=100_000)
    counts, edges = np.histogram(heavy, 8192)
    low, high = least_squares_range(counts, edges, heavy.min(), heavy.max(), 16)
    found = quantization_error(heavy, low, high, 16)
    assert found < 0.4 * quantization_error(heavy, heavy.min(), heavy.max(), 16)
    best = min(quantization_error(heavy, -bound, bound, 16) for bound in np.linspace(2, 8, 25))
    assert found < 1.05 * best


def test_least_squares_leaves_even_values_alone():
    even = np.random.default_rng(1).uniform(-1, 3, size=100_000)
    counts, edges = np.histogram(even, 8192)
    found = least_squares_range(counts, edges, even.min(), even.max(), 256)
    assert found == pytest.approx((-1, 3), rel=0.02)


def test_a_range_of_nothing_but_zeros_stays_as_it_is():
    counts, edges = np.histogram(np.zeros(10), 16, range=(-1, 1))
    assert least_squares_range(counts, edges, 0.0, 0.0, 256) == (0.0, 0.0)


def constant_of(name, values):
    return ir.Value(name=name, const_value=ir.tensor(np.asarray(values), name=name))


def test_a_bias_beyond_its_range_widens_it_and_its_scale_stays_a_scalar():
    codes = constant_of("codes", np.array([0, 128, 255], np.uint8))
    scale, zero_point = constant_of("scale", np.float32(0.01)), constant_of("zero", np.uint8(128))
    added = AddedBias(value=codes, scale=0.01, zero_point=128, parameters=(scale, zero_point))
    wanted = np.array([-1.0, 0.5, 4.1])
    assert added.shift(wanted)
    assert array(scale).shape == array(zero_point).shape == ()
    found = (array(codes).astype(np.float64) - array(zero_point)) * array(scale)
    assert found == pytest.approx(wanted, abs=5.1 / 255)
