"""A runtime from another package is found by its entry point and proved by the conformance suite, unchanged."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

import crossrt.runtimes.conformance

pytestmark = pytest.mark.processes
NAME = "numpy-reference"
SUITE = Path(crossrt.runtimes.conformance.__file__).parent
SOURCE = Path(__file__).with_name("numpy_runtime.py")
FREE_OF_RUNTIMES = {"test_models"}


@pytest.fixture
def installed(install):
    install("crossrt_numpy_runtime", SOURCE.read_text(), **{NAME: "crossrt_numpy_runtime:NumpyRuntime"})


@pytest.fixture
def run_suite(python):
    """`run_suite(*options)` runs those tests of the suite that concern the numpy runtime."""
    command = ["-m", "pytest", "-p", "crossrt.runtimes.conformance.plugin", "-p", "no:cacheprovider"]
    return lambda *options: python(*command, "--pyargs", "crossrt.runtimes.conformance", "-k", NAME, *options)


@pytest.mark.usefixtures("installed")
def test_it_passes_the_conformance_suite(run_suite, tmp_path):
    report = tmp_path / "report.xml"
    ended = run_suite("--require-runtime", NAME, f"--junitxml={report}")
    assert ended.returncode == 0, ended.stdout
    suite = ElementTree.parse(report).find("testsuite")
    assert [suite.get(outcome) for outcome in ("failures", "errors", "skipped")] == ["0", "0", "0"]
    files = {case.get("classname").rpartition(".")[2] for case in suite.iter("testcase")}
    assert files == {path.stem for path in SUITE.glob("test_*.py")} - FREE_OF_RUNTIMES


@pytest.mark.usefixtures("installed", "without_tensorflow")
def test_the_command_lists_it(python):
    ended = python("-c", "from crossrt.cli.main import main; raise SystemExit(main())", "runtimes")
    assert ended.returncode == 0, ended.stderr
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert [row[-1] for row in rows if row[:1] == [NAME]] == ["ready"]


def test_it_is_missed_where_it_is_required(run_suite):
    ended = run_suite("--require-runtime", NAME)
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"{NAME} is required: there is no runtime '{NAME}'" in ended.stderr
    assert "available: ort-cpu, " in ended.stderr
