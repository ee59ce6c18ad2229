"""Reports to compare, and a project of a user's in which pytest is run."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import scipy.stats  # noqa: F401 - see Project.run

import crossrt.harness.pytest_plugin.enforcing
import crossrt.harness.pytest_plugin.finishing
import crossrt.harness.pytest_plugin.timing
import crossrt.harness.run.bench  # noqa: F401 - see Project.run
from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.metrics import derive_metrics

SAMPLE = Path(__file__).parents[3] / "data" / "report-v1.json"
ROUNDS = 8
QUIETLY = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
CASE = "mnist-cnn.fp32@ort-cpu/b1/t1"

USING = """
import pytest
from pathlib import Path
import crossrt as api

{mark}
def test_case(crossrt):
    crossrt.use(api.load_report(Path({path!r})))
"""


@pytest.fixture(scope="session")
def report() -> Report:
    """One case, in eight rounds that hardly differ."""
    found = read_report(SAMPLE)
    (result,) = (each for each in found.results if each.case == CASE)
    rounds = tuple(
        msgspec.structs.replace(
            result.rounds[0], index=index, blocks_ns=scaled(result.rounds[0].blocks_ns, 1 + index / 1000)
        )
        for index in range(ROUNDS)
    )
    return with_result(found, msgspec.structs.replace(result, rounds=rounds))


def scaled(blocks, factor):
    return tuple(tuple(round(call * factor) for call in block) for block in blocks)


def with_result(report: Report, result) -> Report:
    metrics = derive_metrics([result], report.artifacts, result.subject, report.definitions)
    return msgspec.structs.replace(report, results=(result,), metrics=metrics, controls=(), distances=(), layers=())


def slower(report: Report, factor: float) -> Report:
    (result,) = report.results
    rounds = tuple(msgspec.structs.replace(each, blocks_ns=scaled(each.blocks_ns, factor)) for each in result.rounds)
    return with_result(report, msgspec.structs.replace(result, rounds=rounds))


def less_accurate(report: Report, drop: float) -> Report:
    (result,) = report.results
    values = {**result.evaluation.values, "top1": result.evaluation.values["top1"] - drop}
    evaluation = msgspec.structs.replace(result.evaluation, values=values, counts={}, per_sample={}, predictions=None)
    return with_result(report, msgspec.structs.replace(result, evaluation=evaluation))


def elsewhere(report: Report) -> Report:
    """Measured on another machine."""
    return msgspec.structs.replace(
        report, environment=msgspec.structs.replace(report.environment, cpu_model="another processor")
    )


@pytest.fixture
def project(pytester, monkeypatch, tmp_path, report):
    """A user's project: `use` writes a test of a saved report, `write` a baseline."""
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Project(pytester, report)


class Project:
    def __init__(self, pytester, report: Report) -> None:
        self.pytester, self.report = pytester, report

    def slower(self, factor: float) -> Report:
        return slower(self.report, factor)

    def less_accurate(self, drop: float) -> Report:
        return less_accurate(self.report, drop)

    def elsewhere(self) -> Report:
        return elsewhere(self.report)

    def use(self, mark: str = "", report: Report | None = None) -> None:
        path = self.pytester.path / "current.json"
        write_report(report or self.report, path)
        self.pytester.makepyfile(test_used=USING.format(mark=mark, path=str(path)))

    def write(self, name: str, report: Report | None = None) -> Path:
        path = self.pytester.path / name
        write_report(report or self.report, path)
        return path

    def run(self, *arguments: str) -> pytest.RunResult:
        """In this process, which has imported already what pytester would import again for each test."""
        return self.pytester.runpytest_inprocess(*QUIETLY, *arguments)

    def run_apart(self, *arguments: str) -> pytest.RunResult:
        """In a process of its own."""
        return self.pytester.runpytest_subprocess(*QUIETLY, *arguments)
