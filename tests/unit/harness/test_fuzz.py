"""A short run of the fuzz suite, the same each time; `python tests/fuzz/run.py` is the long one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

FUZZ = Path(__file__).parents[2] / "fuzz"
COUNTS = {
    "report": 25,
    "manifest": 60,
    "configuration": 40,
    "recipes": 40,
    "npz": 40,
    "npy": 40,
    "history": 4,
    "onnx": 20,
    "tflite": 20,
}
"""Mutants; Keras files, which need TensorFlow, are left to the long run."""


@pytest.fixture(scope="module")
def suite():
    """The suite's modules, which are no package."""
    sys.path.insert(0, str(FUZZ))
    import outcomes
    import run
    import subjects

    yield {kind.name: kind for kind in subjects.kinds()}, run.fuzz, outcomes.Outcomes
    sys.path.remove(str(FUZZ))


@pytest.mark.parametrize("name", COUNTS)
def test_no_damaged_or_crafted_file_gives_a_traceback_or_hangs(suite, name):
    kinds, fuzz, outcomes_of = suite
    found = outcomes_of()
    fuzz(kinds[name], COUNTS[name], 1, found)
    assert found.counts[name]["mutants"] == COUNTS[name]
    assert found.is_clean, "\n\n".join(f"{place}\n{said}" for place, said in found.faults.items())


def test_a_fault_would_be_seen(suite):
    kinds, fuzz, outcomes_of = suite
    found = outcomes_of()

    def read(path):
        raise KeyError(path.name)

    for name in ("npy", "onnx"):
        kind = kinds[name]
        fuzz(type(kind)(name, kind.strategy, read, kind.suffix, kind.forks), 3, 1, found)
        assert found.counts[name]["tracebacks"] == 3
    assert any("KeyError" in said for said in found.faults.values())
