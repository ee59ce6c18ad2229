"""JAX and PyTorch compute what TensorFlow does where files depend on it, to the last bit; a process for each."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.processes
SCRIPT = Path(__file__).with_name("make_numbers.py")
OTHERS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed"),
    )
    for name in ("jax", "torch")
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    @cache
    def make(backend, part):
        folder = tmp_path_factory.mktemp(f"{backend}-{part}")
        command = [sys.executable, "-P", str(SCRIPT), str(folder), part]
        environment = {**os.environ, "KERAS_BACKEND": backend}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(np.load(folder / f"{part}.npz")), json.loads((folder / f"{part}.json").read_text())

    return make


@pytest.mark.parametrize("backend", OTHERS)
def test_grids_kernels_and_biases_are_the_same_numbers(made, backend):
    (found, facts), (expected, _) = made(backend, "arithmetic"), made("tensorflow", "arithmetic")
    assert facts["backend"] == backend
    exact = [name for name in expected if "slope" not in name and not name.startswith("average")]
    assert len(exact) > 30
    assert [name for name in exact if not np.array_equal(found[name], expected[name])] == []


@pytest.mark.parametrize("backend", OTHERS)
def test_gradients_pass_where_they_do_in_tensorflow(made, backend):
    found, expected = made(backend, "arithmetic")[0], made("tensorflow", "arithmetic")[0]
    for name in (each for each in expected if "slope" in each or each.startswith("average")):
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-4, atol=2e-4, err_msg=name)
    straight = [name for name in expected if name.endswith("rounded, slope 0")]
    assert [name for name in straight if not np.array_equal(found[name], expected[name])] == []


@pytest.mark.parametrize("backend", OTHERS)
def test_a_network_with_the_same_ranges_gives_the_same_integers_in_every_layer(made, backend):
    found, expected = made(backend, "network")[0], made("tensorflow", "network")[0]
    assert len(expected) > 10
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("ranges", ["moving", "learned"])
def test_a_model_learns_in_a_loop_of_the_users_own(made, backend, ranges):
    facts = made(backend, "loop")[1][ranges]
    assert facts["losses"][-1] < 0.7 * facts["losses"][0]
    assert facts["validated"][0] == facts["validated"][1] > 0.6
    assert facts["moved"]
    assert facts["same when loaded"]
