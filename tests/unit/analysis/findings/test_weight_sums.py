"""Sums over weights, part by part, are those over all of them at once."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.analysis.audit.affine import Affine
from crossrt.analysis.audit.record import Stored
from crossrt.analysis.findings.quantized_file import Layer
from crossrt.analysis.findings.weight_sums import PART, parts_of, weight_sums


def layer_of(codes, zero_point, dtype):
    affine = Affine(np.ones(np.shape(zero_point), np.float32), np.asarray(zero_point))
    weight = Stored(name="w", role="weight", dtype=dtype, affine=affine, integers=codes)
    return Layer(name="layer", kind="Gemm", weight=weight, channel_axis=0)


@pytest.mark.parametrize("shape", [(2, PART + 3), (700, 131), (3, 5), (1, 1), (4, 0)], ids=str)
@pytest.mark.parametrize("is_per_channel", [False, True])
@pytest.mark.parametrize(("dtype", "width"), [("uint8", np.int16), ("int16", np.int64)])
def test_sums_by_parts_are_those_of_the_whole(shape, is_per_channel, dtype, width):
    generator = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    codes = generator.integers(limits.min, limits.max, shape, endpoint=True).astype(width)
    zero_point = generator.integers(0, 255, shape[0]) if is_per_channel else np.asarray(7)
    found = weight_sums(layer_of(codes, zero_point, dtype))
    exact = codes.astype(np.int64) - np.reshape(zero_point, (-1, 1))
    assert (found.positive == np.maximum(exact, 0).sum(axis=1)).all()
    assert (found.negative == np.minimum(exact, 0).sum(axis=1)).all()
    assert found.squares == pytest.approx((exact.astype(np.float64) ** 2).sum(axis=1), rel=1e-6)


@pytest.mark.parametrize("shape", [(2, PART + 3), (700, 131), (3, 1)], ids=str)
def test_parts_hold_every_value_once_and_never_split_a_pair(shape):
    rows, seen = np.arange(np.prod(shape)).reshape(shape), []
    for some in parts_of(rows):
        assert some[1].start % 2 == 0
        seen.append(rows[some].reshape(-1))
    assert (np.sort(np.concatenate(seen)) == rows.reshape(-1)).all()
