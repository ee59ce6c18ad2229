"""A network with one layer that does not survive int8 weights, its samples, and a stopwatch that says what it is told.

Two inputs of the faulty layer are always equal, and their weights of +500 and -500 cancel. In int8 every other weight
of that layer rounds to nothing, whatever the granularity.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.analysis.search.budget import Budget, Drop
from crossrt.analysis.search.result import Speed
from crossrt.datasets.opening import DataRequest
from crossrt.harness.measure.settings import Subject
from crossrt.harness.search import run as running
from crossrt.harness.search.request import SearchRequest

FAULTY, LAYERS, WIDTH, INPUTS, CLASSES = 2, 4, 24, 12, 5


class Planted(NamedTuple):
    """Paths of a model, test data and calibration data."""

    model: Path
    test: Path
    calibration: Path

    def subject(self) -> Subject:
        """As a run takes it."""
        return Subject(
            models=(self.model,),
            data=DataRequest(reference=str(self.test)),
            calibration=DataRequest(reference=str(self.calibration)),
        )

    def request(self, out: Path, **changes) -> SearchRequest:
        """A search whose files may be slower than float: they are far too small to be fast."""
        asked = {"budget": Budget(drop=Drop(value=0.02), min_speedup=None), "time_s": 120.0, **changes}
        return SearchRequest(subject=self.subject(), out=out, **asked)


def network() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    nodes, constants, value, size = [], [], "x", INPUTS
    for place in range(LAYERS):
        weights = (rng.standard_normal((size, WIDTH)) * np.sqrt(2 / size)).astype(np.float32)
        bias = (rng.standard_normal(WIDTH) * 0.1).astype(np.float32)
        if place == FAULTY - 1:
            weights[:, 1], bias[1] = weights[:, 0], bias[0]
        if place == FAULTY:
            weights[0], weights[1] = 500, -500
        constants += [numpy_helper.from_array(weights, f"w{place}"), numpy_helper.from_array(bias, f"b{place}")]
        nodes.append(helper.make_node("Gemm", [value, f"w{place}", f"b{place}"], [f"g{place}"], name=f"dense_{place}"))
        nodes.append(helper.make_node("Relu", [f"g{place}"], [f"r{place}"], name=f"relu_{place}"))
        value, size = f"r{place}", WIDTH
    last = (rng.standard_normal((WIDTH, CLASSES)) * 0.3).astype(np.float32)
    constants += [numpy_helper.from_array(last, "wl"), numpy_helper.from_array(np.zeros(CLASSES, np.float32), "bl")]
    nodes.append(helper.make_node("Gemm", [value, "wl", "bl"], ["y"], name="last"))
    specs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])
        for name, width in (("x", INPUTS), ("y", CLASSES))
    ]
    graph = helper.make_graph(nodes, "planted", specs[:1], specs[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def answers(model: onnx.ModelProto, samples: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": samples})[0]


@pytest.fixture(scope="session")
def planted(tmp_path_factory) -> Planted:
    folder, rng = tmp_path_factory.mktemp("planted"), np.random.default_rng(1)
    model, drawn = network(), rng.standard_normal((4000, INPUTS)).astype(np.float32)
    centre = answers(model, drawn).mean(axis=0)  # every class is answered about as often as the others
    model.graph.initializer[-1].CopyFrom(numpy_helper.from_array(-centre, "bl"))
    found = answers(model, drawn)
    two = np.sort(found, axis=1)
    clearest = rng.permutation(np.argsort(two[:, -2] - two[:, -1])[:2000])
    paths = Planted(folder / "planted.onnx", folder / "test.npz", folder / "calibration.npz")
    onnx.save(model, paths.model)
    np.savez(paths.test, x=drawn[clearest], labels=found[clearest].argmax(axis=1))
    np.savez(paths.calibration, x=rng.standard_normal((500, INPUTS)).astype(np.float32))
    return paths


@pytest.fixture
def stopwatch(monkeypatch):
    """`stopwatch(1.5)`: everything that is timed is 1.5 times as fast as float."""

    def speed_of(ratio: float) -> None:
        class Told:
            def __init__(self, *_) -> None: ...

            def time(self, artifacts, *_) -> dict[str, Speed]:
                speed = Speed(ratio=ratio, lower=ratio - 0.05, upper=ratio + 0.05, rounds=8, float_ns=1000.0)
                return {each.id: speed for each in artifacts}

        monkeypatch.setattr(running, "Stopwatch", Told)

    return speed_of
