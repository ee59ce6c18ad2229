"""The pytest plug-in: the fixture `crossrt`, limits as marks, baselines, a summary.

    @pytest.mark.limit_slowdown("5%", against="baseline.json")
    def test_my_model(crossrt):
        report = crossrt.bench("my.onnx", data="test.npz")

Every pytest session that has crossrt installed imports this module: nothing else is imported before a test measures.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from crossrt.harness.pytest_plugin.marks import DESCRIPTIONS, limits_of
from crossrt.harness.pytest_plugin.options import Options, add_options, options_of
from crossrt.harness.pytest_plugin.session import ATTRIBUTE, Collected, benchmark_json, wants_reports

if TYPE_CHECKING:
    from crossrt.harness.pytest_plugin.enforcing import Outcome
    from crossrt.harness.pytest_plugin.fixture import Crossrt
    from crossrt.harness.pytest_plugin.judging import Place

_OPTIONS: pytest.StashKey[Options] = pytest.StashKey()
_COLLECTED: pytest.StashKey[Collected] = pytest.StashKey()
_BENCHMARKS_WRITTEN: pytest.StashKey[bool] = pytest.StashKey()
_MEASURED: pytest.StashKey[Crossrt] = pytest.StashKey()
_OUTCOME: pytest.StashKey[Outcome] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marks and reads the options."""
    for description in DESCRIPTIONS:
        config.addinivalue_line("markers", description)
    config.stash[_OPTIONS] = options_of(config)
    config.stash[_COLLECTED] = Collected()
    if (target := config.stash[_OPTIONS].save) is not None:
        _check_target(target)


def _check_target(target: Any) -> None:
    from crossrt.core.errors import CrossrtError
    from crossrt.harness.pytest_plugin.baselines import check_target

    try:
        check_target(target)
    except CrossrtError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses marks with wrong arguments before anything is run."""
    for item in items:
        limits_of(item)


@pytest.fixture
def crossrt(request: pytest.FixtureRequest) -> Crossrt:
    """Measures models (`crossrt.bench`) and callables (`crossrt.time`); see `@pytest.mark.limit_slowdown`."""
    from crossrt.harness.pytest_plugin.fixture import Crossrt

    measured = Crossrt(request.node.name, _place(request.node), request.config.stash[_OPTIONS])
    request.node.stash[_MEASURED] = measured
    return measured


def _place(item: pytest.Item) -> Place:
    from crossrt.harness.pytest_plugin.judging import Place

    return Place(test=item.nodeid, folder=item.path.parent, root=item.config.rootpath)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judges the limits of a test whose body has passed."""
    result = yield
    limits = limits_of(item)
    if limits:
        from crossrt.harness.pytest_plugin.enforcing import Outcome, enforce

        item.stash[_OUTCOME] = outcome = Outcome()
        enforce(limits, item.stash.get(_MEASURED, None), _place(item), outcome)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hands what a test measured to the process that shows the summary."""
    report = yield
    measured = item.stash.get(_MEASURED, None)
    if call.when == "call" and measured is not None and measured.reports:
        from crossrt.harness.pytest_plugin.enforcing import Outcome, encoded_reports, summary_lines

        outcome = item.stash.get(_OUTCOME, None) or Outcome()
        found = {
            "lines": summary_lines(measured.reports, outcome),
            "notes": outcome.notes,
            "saved": outcome.saved,
            "reports": encoded_reports(measured.reports) if wants_reports(item.config, measured.options) else [],
        }
        setattr(report, ATTRIBUTE, found)
    return report


class _Collecting:
    """Takes what tests found, in the process that shows the summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Comes from other processes, too."""
        self._config.stash[_COLLECTED].add(report)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begins to collect."""
    session.config.pluginmanager.register(_Collecting(session.config), "crossrt-collecting")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Keeps pytest-benchmark from warning that it saves nothing where our cases are saved."""
    with warnings.catch_warnings():
        if session.config.stash[_COLLECTED].reports:
            warnings.filterwarnings("ignore", message="Not saving anything")
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Adds measured cases to the file of pytest-benchmark."""
    collected = config.stash[_COLLECTED]
    if collected.reports:
        from crossrt.harness.pytest_plugin.finishing import benchmarks_of

        output_json["benchmarks"] += benchmarks_of(collected)
        config.stash[_BENCHMARKS_WRITTEN] = True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Saves reports, and says what was measured."""
    collected, asked = config.stash[_COLLECTED], config.stash[_OPTIONS]
    if not collected.lines:
        return
    from crossrt.harness.pytest_plugin import finishing

    ending = [finishing.save(asked, collected)] if asked.save is not None else []
    if benchmark_json(config) is not None and not config.stash.get(_BENCHMARKS_WRITTEN, False):
        ending += filter(None, [finishing.write_benchmarks(config, collected)])
    finishing.show(terminalreporter, collected, ending, config)
