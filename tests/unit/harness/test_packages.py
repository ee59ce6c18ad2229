"""Only the packages that a run needs are asked for."""

from __future__ import annotations

import importlib.util

import pytest

from crossrt.harness.build import inspecting
from crossrt.harness.build.inspecting import inspect_model
from crossrt.harness.errors import HarnessError
from crossrt.harness.process import packages


@pytest.fixture
def lacking(monkeypatch, tmp_path):
    """Makes packages look as if they were not installed, and nothing look as if it was inspected before."""
    monkeypatch.setattr(inspecting, "cache_folder", lambda: tmp_path / "fresh")
    find = importlib.util.find_spec

    def lack(*names):
        monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None if name in names else find(name))

    return lack


def test_an_onnx_file_is_looked_into_with_onnx_alone(network, lacking):
    path = network()
    lacking("ai_edge_litert", "sympy", "tensorflow")
    assert inspect_model(path).kind == "onnx"


def test_a_package_that_is_needed_is_named_alone(network, lacking):
    path = network()
    lacking("onnx", "ai_edge_litert", "sympy")
    with pytest.raises(HarnessError, match=r"looking into float.onnx needs onnx, not installed here: .* install onnx$"):
        inspect_model(path)
