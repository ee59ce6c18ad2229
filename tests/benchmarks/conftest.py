"""The same cases as `crossrt bench`, as a pytest-benchmark suite.

Artifacts are built, and answers and memory are checked, in processes of their own: this process imports numpy and the
runtimes, never TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporters.cache import ArtifactCache
from exporters.keras_model import SHIPPED_MODEL, model_name
from exporters.variants import VARIANTS
from harness.answers import read_reference
from harness.assess import Assessment, Assessor
from harness.builder import Artifacts, BuildRequest, get_artifacts
from harness.case import Case
from harness.environment import read_environment
from harness.exported import read_folder
from harness.locations import cache_folder
from harness.plan import Candidate, plan_cases
from harness.probe import RuntimeInfo, probe_runtimes
from harness.progress import Silent
from harness.settings import BenchSettings
from harness.workspace import Workspace, open_workspace


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crossrt")
    group.addoption("--crossrt-only", action="append", default=[], metavar="PATTERN", help="only cases that match")
    group.addoption(
        "--crossrt-batch",
        action="append",
        type=int,
        default=[],
        metavar="N",
        help="batch size, may be repeated (default: 1 and 32)",
    )
    group.addoption("--crossrt-threads", type=int, default=1, help="threads per operator")
    group.addoption("--crossrt-model", type=Path, default=SHIPPED_MODEL, help="a .keras file for MNIST digits")
    group.addoption("--crossrt-artifacts", type=Path, help="a folder that crossrt export wrote; needs no TensorFlow")
    group.addoption("--crossrt-short", action="store_true", help="fewer rounds, to see that everything runs")


def pytest_configure(config: pytest.Config) -> None:
    config.option.benchmark_disable_gc = True


def settings_of(config: pytest.Config) -> BenchSettings:
    return BenchSettings(
        model_path=config.getoption("--crossrt-model"),
        artifacts=config.getoption("--crossrt-artifacts"),
        only=tuple(config.getoption("--crossrt-only")),
        batch_sizes=tuple(sorted(set(config.getoption("--crossrt-batch")))) or (1, 32),
        threads=config.getoption("--crossrt-threads"),
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case; a runtime that is not installed skips its cases and says how to install it."""
    settings = settings_of(metafunc.config)
    runtimes = probe_runtimes()
    problems = {runtime.name: runtime.problem for runtime in runtimes if runtime.problem}
    cases = plan_cases(_candidates(settings), runtimes, settings)
    metafunc.parametrize("case", [_parameter(case, problems.get(case.runtime)) for case in cases])


def _candidates(settings: BenchSettings) -> list[Candidate]:
    if settings.artifacts is not None:
        found = read_folder(settings.artifacts).artifacts.values()
        return [Candidate(model=each.model, variant=each.variant, format=each.format) for each in found]
    model = model_name(settings.model_path)
    return [Candidate(model=model, variant=each.name, format=each.format) for each in VARIANTS]


def _parameter(case: Case, problem: str | None) -> Any:
    marks = [pytest.mark.skip(reason=problem)] if problem else []
    return pytest.param(case, id=case.id, marks=marks)


@pytest.fixture(scope="session")
def settings(pytestconfig: pytest.Config) -> BenchSettings:
    return settings_of(pytestconfig)


@pytest.fixture(scope="session")
def workspace() -> Iterator[Workspace]:
    with open_workspace() as workspace:
        yield workspace


@pytest.fixture(scope="session")
def artifacts(settings: BenchSettings, workspace: Workspace) -> Artifacts:
    if settings.artifacts is not None:
        return read_folder(settings.artifacts)
    request = BuildRequest(
        model=model_name(settings.model_path),
        model_path=settings.model_path,
        variants=VARIANTS,
    )
    return get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, Silent())


@pytest.fixture(scope="session")
def assessments(
    request: pytest.FixtureRequest, settings: BenchSettings, workspace: Workspace, artifacts: Artifacts
) -> dict[str, Assessment]:
    """Accuracy and memory of every selected case, before anything is timed."""
    chosen = [item.callspec.params["case"] for item in request.session.items if hasattr(item, "callspec")]
    runnable = [case for case in chosen if case.artifact_id not in artifacts.problems]
    reference = read_reference(artifacts.reference, workspace) if artifacts.reference else None
    assessor = Assessor(artifacts.artifacts, reference, settings, workspace)
    return {case.id: assessment for case, assessment in assessor.assess_all(runnable)}


@pytest.fixture(scope="session")
def digits(workspace: Workspace) -> np.ndarray:
    return np.load(workspace.images, mmap_mode="r", allow_pickle=False)


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    import msgspec

    threads = config.getoption("--crossrt-threads")
    runtimes: list[RuntimeInfo] = probe_runtimes()
    machine_info["crossrt"] = msgspec.to_builtins(read_environment(runtimes, threads, None))
