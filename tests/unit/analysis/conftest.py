"""Calibration data in a file, as analysing processes open them, and networks quantized with them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crossrt.datasets.opening import DataRequest
from crossrt.exporters.calibration import Calibration
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.tensor_specs import onnx_specs


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def fields_of(tmp_path):
    """Writes arrays as an `.npz` file, and gives the fields of the request that opens it."""

    def write(name="data.npz", **arrays):
        np.savez(tmp_path / name, **arrays)
        return dataclasses.asdict(DataRequest(reference=str(tmp_path / name)))

    return write


@pytest.fixture
def data(fields_of):
    """Images that look like strokes on black, for the network's input `image`."""
    generator = np.random.default_rng(0)
    found = generator.random((400, 28, 28, 1), dtype=np.float32)
    return fields_of(image=np.where(generator.random(found.shape) < 0.8, np.float32(0), found))


@pytest.fixture
def quantized(network, tmp_path, data):
    """Quantizes a network, or the model in a file, by a recipe."""

    def run(recipe, kind="plain", *, source=None, fields=None):
        folder = tmp_path / "quantizing"
        folder.mkdir(exist_ok=True)
        path = source or network(kind)
        calibration = Calibration.open(fields or data, onnx_specs(path)[0], {})
        (folder / "prepared.onnx").unlink(missing_ok=True)
        OnnxQuantizer(path, folder, calibration).quantize(recipe, tmp_path / "out.onnx")
        return tmp_path / "out.onnx"

    return run
