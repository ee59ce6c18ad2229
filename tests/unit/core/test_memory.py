"""The memory of processes that read model files."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from crossrt.core.errors import CrossrtError
from crossrt.core.events import reason_of
from crossrt.core.memory import BUILDING_BYTES, LOOKING_BYTES, limit_memory, memory_limit, out_of_memory


def test_a_larger_file_may_take_more(tmp_path):
    (tmp_path / "model.keras").write_bytes(bytes(1000))
    assert memory_limit([tmp_path / "model.keras"], LOOKING_BYTES) == LOOKING_BYTES + 12_000
    assert memory_limit([], BUILDING_BYTES) == BUILDING_BYTES


def test_weights_beside_an_onnx_file_and_in_a_folder_count(tmp_path):
    (tmp_path / "model.onnx").write_bytes(bytes(10))
    (tmp_path / "weights.bin").write_bytes(bytes(90))
    assert memory_limit([tmp_path / "model.onnx"], 0) == memory_limit([tmp_path], 0) == 1200


def test_the_variable_names_another_limit(monkeypatch):
    monkeypatch.setenv("CROSSRT_BUILD_MEMORY", "512")
    assert memory_limit([], LOOKING_BYTES) == 512 * 2**20
    for wrong in ("much", "-1", "0", "9" * 30, "1.5"):
        monkeypatch.setenv("CROSSRT_BUILD_MEMORY", wrong)
        with pytest.raises(CrossrtError, match="a number of MiB is expected"):
            memory_limit([], LOOKING_BYTES)


def test_a_limited_process_cannot_take_more():
    source = "input(); bytearray(600 * 2**20)"
    child = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    limit_memory(child.pid, 256 * 2**20)
    _, said = child.communicate("\n", timeout=1200)
    assert "MemoryError" in said


def test_lack_of_memory_is_told_with_the_way_out(monkeypatch):
    limits = {resource.RLIMIT_DATA: (512 * 2**20, -1)}
    monkeypatch.setattr(resource, "getrlimit", limits.__getitem__)
    error = RuntimeError("the layer cannot be built")
    error.__cause__ = ValueError("Unable to allocate 2.3 GiB for an array")
    said = reason_of(error)
    assert said == "out of memory: it needs more than 512 MiB; CROSSRT_BUILD_MEMORY=MIB gives it another limit"
    assert out_of_memory(MemoryError()) is not None
    assert out_of_memory(ValueError("damaged")) is None
