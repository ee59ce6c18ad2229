"""ONNX Runtime's session options, and its other execution providers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.runtimes.errors import ModelRefusedError, OptionRefusedError, RunFailedError, RuntimeNotInstalledError
from crossrt.runtimes.ort.adapter import OrtCpu, OrtSession, _session_options
from crossrt.runtimes.ort.keys import unknown_keys
from crossrt.runtimes.ort.providers import CPU, OPENVINO, OrtDnnl, OrtOpenVino, OrtXnnpack, ProviderSession
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

MODELS = Path(__file__).parents[2] / "data" / "models"
FLOAT = read_manifest(MODELS / "conv.fp32.onnx" / ARTIFACT_MANIFEST, ModelArtifact)


def operators(options):
    with get_runtime(f"ort-cpu:{options}").prepare(FLOAT, SessionOptions()) as session:
        return session.executed_operators()


def test_optimizations_are_as_asked_for():
    assert "Relu" in operators("graph_optimization_level=disable")
    assert "Relu" not in operators("graph_optimization_level=all")


def test_each_option_reaches_the_session():
    values = {"arena": "off", "mem_pattern": "off", "execution_mode": "parallel", "x64quantprecision": "1"}
    native = _session_options(FLOAT, SessionOptions(runtime_options={**values, "session.set_denormal_as_zero": "1"}))
    assert not native.enable_cpu_mem_arena
    assert not native.enable_mem_pattern
    assert native.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert native.get_session_config_entry("session.x64quantprecision") == "1"
    assert native.get_session_config_entry("session.set_denormal_as_zero") == "1"


@pytest.mark.parametrize("key", ["session.disable_prepacking", "session.intra_op.allow_spinning"])
def test_keys_that_the_build_knows_may_be_set(key):
    OrtCpu().check_options({key: "1"})


def test_a_key_that_the_build_would_ignore_is_refused():
    with pytest.raises(OptionRefusedError, match=r"would ignore it \(did you mean 'session.x64quantprecision'\?\)"):
        get_runtime("ort-cpu:session.x64quantprecison=1")


def test_a_level_that_an_older_build_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(onnxruntime, "GraphOptimizationLevel", object())
    with pytest.raises(OptionRefusedError, match="has no graph optimization level 'layout'"):
        OrtCpu().check_options({"graph_optimization_level": "layout"})


@pytest.mark.parametrize(
    ("key", "is_known"),
    [
        ("session.first_key", True),
        ("session.first_ke", False),
        ("session.second", True),
        ("session.third_one_that_is_long", True),
        ("session.thirst_one", False),
        ("mlas.lut", False),
        ("session.h", False),
        ("session.cc", False),
        ("session.state.cpp", False),
        ("session.in_an_example", False),
    ],
)
def test_keys_are_found_among_the_texts_of_a_library(tmp_path, key, is_known):
    library = tmp_path / "library.so"
    texts = (
        b"inference_session.h\0inference_session.cc\0session.state.cpp\0 session.in_an_example({"
        b"\0session.first_key\0session.runs_intosession.second\0session.third_on\0"  # the last is cut after 16 bytes
    )
    library.write_bytes(bytes(2**20 - 9) + texts + bytes(100))
    found = unknown_keys([key], library)
    assert (key not in found) == is_known
    assert not any(each.endswith((".h", ".cc", ".cpp", "example")) for known in found.values() for each in known)


@pytest.mark.parametrize(
    ("adapter", "said"),
    [(OrtXnnpack, "--use_xnnpack"), (OrtDnnl, "--use_dnnl"), (OrtOpenVino, "install onnxruntime-openvino")],
)
def test_a_provider_that_is_not_built_in_says_what_gives_it(monkeypatch, adapter, said):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(RuntimeNotInstalledError, match=rf"is built without {adapter.provider.name}: .*{said}"):
        adapter()


def test_a_session_without_its_provider_is_refused():
    with pytest.raises(ModelRefusedError, match=r"model\.onnx"):
        OrtSession(FLOAT, SessionOptions(), (("NoSuchExecutionProvider", {}), (CPU, {})))


@pytest.fixture
def placed(monkeypatch):
    """`placed(0, 2)` gives a session of which kernels 0 and 2 run on the provider, as far as its profile says."""
    monkeypatch.setattr(ProviderSession, "_provider", OPENVINO, raising=False)

    def placed(*numbers):
        session = object.__new__(ProviderSession)
        OrtSession.__init__(session, FLOAT, SessionOptions())
        session.run({"image": np.zeros((1, 28, 28, 1), np.float32)})
        events = session._profile_events(1)
        kernels = [each for each in events if str(each["name"]).endswith("_kernel_time")]
        for number, event in enumerate(kernels):
            event["args"]["provider"] = OPENVINO.name if number in numbers else CPU
        return session

    return placed


def test_kernels_that_fall_back_are_named(placed):
    session = placed(0)
    found = session.executed_operators()
    assert session.placement_note() == (
        f"{len(found) - 1} of {len(found)} kernels do not run on OpenVINO, but on CPUExecutionProvider:"
        f" {', '.join(dict.fromkeys(found[1:]))}"
    )


def test_a_session_in_which_nothing_runs_on_the_provider_fails(placed):
    with pytest.raises(
        RunFailedError, match=r"OpenVINO takes no part of .*: all . kernels run on CPUExecutionProvider"
    ):
        placed().executed_operators()


def test_nothing_is_said_where_all_runs_on_the_provider(placed):
    session = placed(*range(100))
    assert session.executed_operators()
    assert session.placement_note() is None
    assert session.profile(1) is None, "nobody can look into what it compiled"
