"""Our own benchmarks by our own pytest plug-in: the cases of the bundled reference, or of `--crossrt-model`.

All cases are measured once, in the same rounds as `crossrt bench` makes; then each is a test of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import crossrt
from crossrt.harness.build.project import resolve
from crossrt.harness.measure.plan import plan_cases
from crossrt.harness.measure.settings import BenchSettings, Subject
from crossrt.harness.process.probe import probe_runtimes
from crossrt.harness.pytest_plugin.options import Options, options_of
from crossrt.reports.schema.records import Report
from crossrt.reports.text.patterns import case_matches


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crossrt")
    group.addoption("--crossrt-model", type=Path, help="another model than the bundled reference")
    group.addoption("--crossrt-artifacts", type=Path, help="a folder that crossrt export wrote; needs no TensorFlow")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case, and per case of the baseline; with a baseline each is judged as by `crossrt compare`."""
    if "case" in metafunc.fixturenames:
        options = options_of(metafunc.config)
        marks = [pytest.mark.limit_regressions()] if options.baseline is not None else []
        cases = dict.fromkeys([*planned(metafunc.config, options), *before(options)])
        metafunc.parametrize("case", [pytest.param(case, marks=marks) for case in cases])


def model_of(config: pytest.Config) -> Path | None:
    return config.getoption("--crossrt-artifacts") or config.getoption("--crossrt-model")


def planned(config: pytest.Config, options: Options) -> list[str]:
    model = model_of(config)
    project = resolve(Subject(models=(model,) if model else ()))
    settings = BenchSettings(
        only=options.only, batch_sizes=options.batch_sizes or project.batch_sizes, threads=options.threads
    )
    runtimes = probe_runtimes(options.runtimes)
    return [case.id for case in plan_cases(project.candidates, runtimes, settings)]


def before(options: Options) -> list[str]:
    """The cases of a baseline that this session's options select: one that is missing now has vanished."""
    if options.baseline is None:
        return []
    return [
        result.case
        for result in crossrt.load_report(options.baseline).results
        if not options.batch_sizes or result.batch_size in options.batch_sizes
        if not options.only or any(case_matches(pattern, result) for pattern in options.only)
    ]


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> Report:
    """Every case of this session, measured side by side."""
    options = options_of(pytestconfig)
    return crossrt.bench(
        model_of(pytestconfig) or (),
        runtimes=options.runtimes,
        batch=options.batch_sizes,
        threads=options.threads,
        time=options.time_s,
        rounds=options.rounds,
        only=options.only,
    )
