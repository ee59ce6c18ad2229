"""The conformance suite leaves out what is not installed, and goes red where that was required."""

import pytest

pytestmark = pytest.mark.processes

PLUGIN = "crossrt.runtimes.conformance.plugin"
SUITE = ["-p", PLUGIN, "--pyargs", "crossrt.runtimes.conformance"]
WITHOUT_ORT = (
    "import sys; sys.modules['onnxruntime'] = None; import pytest; raise SystemExit(pytest.main(sys.argv[1:]))"
)


@pytest.fixture
def collect(python):
    """`collect(*options)` collects the suite where onnxruntime is not installed."""
    return lambda *options: python(
        "-c", WITHOUT_ORT, *SUITE, "-q", "--collect-only", "-p", "no:cacheprovider", *options
    )


def test_a_runtime_that_is_not_installed_is_left_out(collect):
    ended = collect()
    assert ended.returncode == pytest.ExitCode.OK
    assert "[tflite" in ended.stdout
    assert "ort-cpu" not in ended.stdout


def test_a_required_runtime_that_is_not_installed_is_an_error(collect):
    ended = collect("--require-runtime", "tflite", "--require-runtime", "ort-cpu")
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ort-cpu is required: onnxruntime is not installed: " in ended.stderr


def test_a_required_runtime_without_a_model_is_an_error(collect, tmp_path):
    ended = collect("--require-runtime", "tflite", "--conformance-artifacts", tmp_path)
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"tflite is required and reads tflite: no such model under {tmp_path}" in ended.stderr


def test_a_suite_that_would_test_nothing_is_an_error(collect, tmp_path):
    ended = collect("--conformance-artifacts", tmp_path)
    assert ended.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert f"no runtime is installed that reads a model under {tmp_path}" in ended.stdout


def test_the_plug_in_imports_nothing_heavy(printed):
    """pytest loads it in every project of an environment where crossrt is installed."""
    heavy = {"numpy", "msgspec", "onnxruntime", "ai_edge_litert", "crossrt.runtimes.registry"}
    assert printed(f"import sys, {PLUGIN}\nprint(sorted({heavy} & sys.modules.keys()))") == "[]"
