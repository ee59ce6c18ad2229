"""The same cases as `crossrt bench`, as a pytest-benchmark suite.

Artifacts are built, and answers and memory are checked, in processes of their own: this process imports numpy and the
runtimes, never TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from crossrt.exporters.cache import ArtifactCache
from crossrt.exporters.sources.keras_file import SHIPPED_MODEL, model_name
from crossrt.exporters.variants import main_variants
from crossrt.harness.build.artifacts import candidates_of
from crossrt.harness.build.builder import Artifacts, BuildRequest
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.build.exported import read_folder
from crossrt.harness.cli.commands.report_files import report_in
from crossrt.harness.cli.progress import Silent
from crossrt.harness.environment import read_environment
from crossrt.harness.evaluate.answers import read_reference
from crossrt.harness.evaluate.assess import Assessment, Assessor
from crossrt.harness.evaluate.workspace import Workspace, open_workspace
from crossrt.harness.locations import cache_folder
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.plan import plan_cases
from crossrt.harness.measure.settings import DEFAULT_EFFORT, QUICK_EFFORT, BenchSettings
from crossrt.harness.process.probe import RuntimeInfo, probe_runtimes
from crossrt.harness.run.bench import run_bench
from crossrt.reports.schema.files import read_report
from crossrt.reports.text.patterns import case_matches
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.comparison.findings import Comparison
from crossrt.reports.verdicts.comparison.render import print_comparison

COMPARISON = pytest.StashKey[Comparison]()


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
    group.addoption("--crossrt-baseline", type=Path, help="a report.json that every case is held against")
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


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nothing is held against a baseline where none was named."""
    return True if collection_path.name == "test_baseline.py" and not config.getoption("--crossrt-baseline") else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case; a runtime that is not installed skips its cases and says how to install it."""
    settings = settings_of(metafunc.config)
    if "judged_case" in metafunc.fixturenames:
        metafunc.parametrize("judged_case", judged_cases(settings, metafunc.config.getoption("--crossrt-baseline")))
        return
    runtimes = probe_runtimes()
    problems = {runtime.name: runtime.problem for runtime in runtimes if runtime.problem}
    cases = plan_cases(candidates_of(settings, _folder(settings)), runtimes, settings)
    metafunc.parametrize("case", [_parameter(case, problems.get(case.runtime)) for case in cases])


def judged_cases(settings: BenchSettings, baseline: Path) -> list[str]:
    """Every case of this session, and every one of the baseline that its options select."""
    planned = plan_cases(candidates_of(settings, _folder(settings)), probe_runtimes(), settings)
    before = [
        result.case
        for result in read_report(report_in(baseline)).results
        if result.batch_size in settings.batch_sizes
        and (not settings.only or any(case_matches(pattern, result.case) for pattern in settings.only))
    ]
    return list(dict.fromkeys([*(case.id for case in planned), *before]))


def _folder(settings: BenchSettings) -> Artifacts | None:
    return read_folder(settings.artifacts) if settings.artifacts is not None else None


@pytest.fixture(scope="session")
def comparison(pytestconfig: pytest.Config, settings: BenchSettings) -> Comparison:
    """What `crossrt compare` says of the baseline and of rounds measured here."""
    effort = QUICK_EFFORT if pytestconfig.getoption("--crossrt-short") else DEFAULT_EFFORT
    command = ["pytest", *pytestconfig.invocation_params.args]
    current = run_bench(dataclasses.replace(settings, effort=effort), command, Silent())
    baseline = read_report(report_in(pytestconfig.getoption("--crossrt-baseline")))
    selected = judged_cases(settings, pytestconfig.getoption("--crossrt-baseline"))
    found = compare_reports(baseline, current, Question(only=selected))
    pytestconfig.stash[COMPARISON] = found
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the comparison below the benchmarks."""
    if COMPARISON in config.stash:
        terminalreporter.section("crossrt compare")
        console = Console(width=terminalreporter._tw.fullwidth, highlight=False)
        with console.capture() as captured:
            print_comparison(config.stash[COMPARISON], console)
        terminalreporter.write_line(captured.get())


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
        variants=main_variants(),
    )
    return get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, Silent())


@pytest.fixture(scope="session")
def assessments(
    request: pytest.FixtureRequest, settings: BenchSettings, workspace: Workspace, artifacts: Artifacts
) -> dict[str, Assessment]:
    """Accuracy and memory of every selected case, before anything is timed."""
    chosen = [
        item.callspec.params["case"]
        for item in request.session.items
        if hasattr(item, "callspec") and "case" in item.callspec.params
    ]
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
