"""The fixture `crossrt`: measures models and callables for one test, and keeps what it found for limits and summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from crossrt.core.errors import CrossrtError
from crossrt.harness.errors import HarnessError
from crossrt.harness.pytest_plugin.judging import Place
from crossrt.harness.pytest_plugin.options import Options
from crossrt.reports.schema.records import Report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossrt.given import Data, Model


class Crossrt:
    """What a test measures with.

    Attributes:
        options: Those of the session: what a test does not say itself.
        reports: Everything that the test has measured so far.
        only: Patterns of the cases that the test is about, where a report holds others.
    """

    def __init__(self, name: str, place: Place, options: Options) -> None:
        self._name, self._place = name, place
        self.options = options
        self.reports: list[Report] = []
        self.only: tuple[str, ...] = ()

    def bench(
        self,
        model: Model | Sequence[Model] = (),
        *,
        data: Data | None = None,
        labels: NDArray[Any] | str | Path | None = None,
        calibration: Data | None = None,
        task: str | None = None,
        runtimes: Sequence[str] = (),
        batch: int | Sequence[int] = (),
        threads: int | None = None,
        dimensions: Mapping[str, int] | None = None,
        time: float | None = None,
        rounds: int | None = None,
        only: Sequence[str] = (),
        baseline: str | None = None,
        samples: int | None = None,
        minimum_agreement: float = 0.99,
        seed: int = 0,
    ) -> Report:
        """Checks and measures a model, or several files side by side: `crossrt.bench` with the session's options.

        A case that fails is a result of the report.

        Raises:
            CrossrtError: Something cannot be used.
        """
        __tracebackhide__ = True
        from crossrt import measuring

        options = self.options
        try:
            report = measuring.bench(
                model,
                data=data,
                labels=labels,
                calibration=calibration,
                task=task,
                runtimes=runtimes or options.runtimes,
                batch=batch or options.batch_sizes,
                threads=threads or options.threads,
                dimensions=dimensions,
                time=time or options.time_s,
                rounds=rounds or options.rounds,
                only=only or options.only,
                baseline=baseline,
                samples=samples,
                minimum_agreement=minimum_agreement,
                seed=seed,
            )
        except CrossrtError as error:
            raise error.with_traceback(None) from None
        self.reports.append(report)
        return report

    def time(
        self,
        target: Callable[..., object] | str,
        *arguments: Any,
        name: str | None = None,
        threads: int | None = None,
        batch: int = 1,
        time: float | None = None,
        rounds: int | None = None,
        timeout: float = 60.0,
        seed: int = 0,
        **keywords: Any,
    ) -> Report:
        """Times a callable in rounds of fresh processes, beside an A/A replicate and the reference workload.

        A callable is called in forks of the test process: it may be a lambda, and what it uses is there already, but
        memory layout is drawn from the test process, and its threads are missing. `module:function` is imported by
        fresh processes. Garbage collection is off while calls are timed.

        Args:
            target: A callable, or `module:function`.
            arguments: What it is called with; a function that is imported takes one mapping of names to arrays.
            name: What reports call it; else the name of the test.
            threads: Threads that it uses; with one it is pinned to a processor.
            batch: Samples that one call handles.
            time: How long all may take, in seconds.
            rounds: Fresh processes, at most.
            timeout: How long a step may take before the process counts as stuck, in seconds.
            seed: Seed of all random orders.
            keywords: What it is called with, too.

        Returns:
            A report of one case. Where the callable raises, hangs, or ends its process, the test fails.
        """
        __tracebackhide__ = True
        from crossrt.harness.measure.settings import DEFAULT_EFFORT
        from crossrt.harness.process.callables import Call
        from crossrt.harness.pytest_plugin.timing import Asked, time_callable

        rounds = rounds or self.options.rounds
        asked = Asked(
            name=name or self._default_name(target),
            threads=threads or self.options.threads,
            batch=batch,
            effort=DEFAULT_EFFORT if rounds is None else replace(DEFAULT_EFFORT, rounds=rounds),
            time_s=time or self.options.time_s,
            timeout_s=timeout,
            seed=seed,
            folders=(self._place.folder, self._place.root),
            command=("pytest", self._place.test),
        )
        problem = None
        try:
            if isinstance(target, str):
                report = time_callable(target, _feeds(target, arguments, keywords), asked)
            else:
                report = time_callable(Call(target, arguments, tuple(keywords.items())), None, asked)
        except HarnessError as error:
            problem = str(error)
        if problem is not None:  # outside of the handler: pytest would show both
            pytest.fail(problem, pytrace=False)
        self.reports.append(report)
        return report

    __call__ = time

    def use(self, report: Report, only: Sequence[str] = ()) -> Report:
        """Makes a report, or some cases of one, that of this test: such as one that a session's fixture measured.

        Args:
            report: What was measured.
            only: Case ids; none for all.
        """
        found = part_of(report, only) if only else report
        self.only = tuple(only)
        self.reports.append(found)
        return found

    def _default_name(self, target: Callable[..., object] | str) -> str:
        name = target if isinstance(target, str) else self._name
        number = sum(result.variant.partition("#")[0] == name for each in self.reports for result in each.results)
        return f"{name}#{number + 1}" if number else name


def _feeds(target: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What an imported function is called with.

    Raises:
        HarnessError: It is not a mapping of names to arrays.
    """
    if not arguments and not keywords:
        return None
    if keywords or len(arguments) != 1 or not isinstance(arguments[0], Mapping):
        raise HarnessError(
            f"{target} is called in fresh processes: give it one mapping of names to arrays, or nothing; a callable in"
            " place of its name may be called with anything"
        )
    return {str(name): value for name, value in arguments[0].items()}


def part_of(report: Report, cases: Sequence[str]) -> Report:
    """Some cases of a report, with what they are judged by."""
    results = tuple(each for each in report.results if each.case in cases)
    files = {each.artifact for each in results}
    return msgspec.structs.replace(
        report,
        results=results,
        artifacts=tuple(each for each in report.artifacts if each.id in files),
        metrics=tuple(each for each in report.metrics if each.case in cases),
        controls=tuple(each for each in report.controls if each.kind != "replicate" or each.of in cases),
        distances=tuple(each for each in report.distances if each.one in cases and each.other in cases),
        layers=tuple(each for each in report.layers if each.artifact in files),
    )
