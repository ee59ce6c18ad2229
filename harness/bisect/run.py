"""A bisection from its ends to the kernels on both sides of the change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from crossrt.analysis.bisection.narrowing import (
    answers_differ,
    answers_verdict,
    range_of,
    step_margin,
)
from crossrt.analysis.bisection.record import BisectionReport, Step, Subject
from crossrt.harness.bisect.comparing import Comparer, InterruptedBisectionError, side_by_time
from crossrt.harness.bisect.ledger import BisectionLedger
from crossrt.harness.bisect.request import BisectRequest
from crossrt.harness.errors import ArmFailedError, HarnessError
from crossrt.harness.locations import version_environments
from crossrt.harness.process.out import check_writable
from crossrt.harness.run.prepare import scratch_folder
from crossrt.reports.text.progress import Display
from crossrt.runtimes.errors import EnvironmentFailedError
from crossrt.runtimes.versions.installer import InstallError, find_installer
from crossrt.runtimes.versions.numbers import version_key

_OVER: Final = ("found", "narrowed", "no difference")
MOST_NEIGHBOURS: Final = 5
"""Versions at the change that are compared one by one."""


def run_bisection(request: BisectRequest, display: Display) -> BisectionReport:
    """Compares both ends, then releases between them until the one is known that changed the time or the answers.

    What was found is saved after each step, and a later call with the same request goes on from there.

    Raises:
        CrossrtError: An end cannot be run, a version cannot be installed, or something else cannot be used.
    """
    check_writable(request.out)
    bisection = _Bisection(request, display)
    try:
        return bisection.run()
    except (InterruptedBisectionError, KeyboardInterrupt):
        return bisection.ledger.change(status="interrupted")


class _Bisection:
    def __init__(self, request: BisectRequest, display: Display) -> None:
        self._request, self._display = request, display
        self._comparer = Comparer(request, display)
        self.ledger = BisectionLedger(request)

    @property
    def _found(self) -> BisectionReport:
        return self.ledger.report

    def run(self) -> BisectionReport:
        """Everything that is not known yet."""
        if self.ledger.is_resumed:
            self._display.remark(f"  going on with {self.ledger.path}: {len(self._found.steps)} steps are known")
        if self._found.status in _OVER:
            return self._found
        self._settle_ends()
        if self._found.by is None:
            return self.ledger.change(status="no difference")
        self._settle_releases()
        while (version := range_of(self._found.releases, self._found.steps).next) is not None:
            step = self._tried(version)
            self.ledger.change(steps=(*self._found.steps, step))
            self._display.remark(f"  {version}: {step.verdict}")
        return self._close()

    def _settle_ends(self) -> None:
        request = self._request
        if self._found.ends is not None:
            return
        self._comparer.check(request.good, request.bad)
        environments = version_environments(self._display.remark)
        good, bad = (environments.open(request.runtime.name, each).manifest for each in (request.good, request.bad))
        if good.package != bad.package:
            raise HarnessError(
                f"{good.version} is a version of {good.package} and {bad.version} one of {bad.package}: releases of two"
                " packages have no order; bisect within one"
            )
        ends, by = self._compared(good.version, bad.version)
        ends = msgspec.structs.replace(ends, verdict="inconclusive" if by is None else "like bad")
        self.ledger.change(good=good.version, bad=bad.version, package=good.package, ends=ends, by=by)

    def _compared(self, good: str, bad: str) -> tuple[Step, Subject | None]:
        """Both ends beside each other, and in what they differ, of what was asked for."""
        request = self._request
        if request.by == "answers":
            ends, is_other_time = self._comparer.answers(good, bad), False
        else:
            compared = self._comparer.times(good, bad, request.margin)
            ends, is_other_time = compared.step, compared.verdict in ("A faster", "B faster")
        if is_other_time:
            return ends, "time"
        return ends, "answers" if request.by != "time" and answers_differ(ends, request.tolerance) else None

    def _settle_releases(self) -> None:
        found = self._found
        if found.releases:
            return
        is_newer = version_key(found.good) < version_key(found.bad)
        low, high = (found.good, found.bad) if is_newer else (found.bad, found.good)
        environment = version_environments().open(self._request.runtime.name, found.good)
        with scratch_folder() as folder:
            try:
                between = find_installer(folder).releases(environment.python, found.package, low, high)
            except InstallError as error:
                raise EnvironmentFailedError(
                    f"the releases of {found.package} between {low} and {high} are not known, as the package index"
                    f" cannot be asked: {error.said}"
                ) from error
        releases = (found.good, *(between if is_newer else reversed(between)), found.bad)
        self.ledger.change(releases=releases)
        self._display.remark(f"  the ends differ; {len(between)} releases lie between them")

    def _tried(self, version: str) -> Step:
        """One version beside the good end."""
        found, ends = self._found, self._found.ends
        assert ends is not None
        try:
            if found.by == "answers":
                step = self._comparer.answers(found.good, version)
                return msgspec.structs.replace(step, verdict=answers_verdict(step, ends))
            ratio = ends.ratio or 1.0
            compared = self._comparer.times(found.good, version, step_margin(ratio))
        except ArmFailedError as error:
            return Step(version=version, against=found.good, verdict="failed", reason=str(error))
        verdict = side_by_time(compared.verdict, ratio)
        reason = "too near to half of the change" if verdict == "inconclusive" else None
        return msgspec.structs.replace(compared.step, verdict=verdict, reason=reason)

    def _close(self) -> BisectionReport:
        """Both sides of the change beside each other, and what they run."""
        where = range_of(self._found.releases, self._found.steps)
        self.ledger.change(last_good=where.last_good, first_bad=where.first_bad)
        self._in_turn(lambda: self._settle_neighbours((where.last_good, *where.open, where.first_bad)))
        self._in_turn(lambda: self._settle_kernels(where.last_good, where.first_bad))
        return self.ledger.change(status="narrowed" if where.open else "found")

    def _settle_neighbours(self, versions: Sequence[str]) -> None:
        """Each beside the one before it, where few are left: a change may have come in several steps."""
        found = self._found
        failed = {step.version for step in found.steps if step.verdict == "failed"}
        kept = [each for each in versions if each not in failed]
        if found.by != "time" or len(kept) > MOST_NEIGHBOURS or (len(kept) == 2 and kept == [found.good, found.bad]):
            return
        for before, after in pairwise(kept):
            if not any(step.version == after for step in self._found.neighbours):
                step = self._comparer.times(before, after, self._request.margin).step
                self.ledger.change(neighbours=(*self._found.neighbours, step))

    def _settle_kernels(self, before: str, after: str) -> None:
        if self._found.kernels is None:
            found = self._comparer.kernels(before, after)
            one, other = self._time_of(before), self._time_of(after)
            if one is not None and other is not None:
                found = msgspec.structs.replace(found, change_ns=other - one, call_ns=other)
            self.ledger.change(kernels=found)

    def _time_of(self, version: str) -> float | None:
        """How long a call takes on a version, from the rounds with its nearest neighbour."""
        report = self._found
        known: list[Step] = [*report.neighbours, *([] if report.ends is None else [report.ends])]
        for step in known:
            if step.version == version:
                return step.time_ns
            if step.against == version:
                return step.against_ns
        return None

    def _in_turn(self, work: Callable[[], None]) -> None:
        """What comes on top of the answer does not take it with it."""
        try:
            work()
        except ArmFailedError as error:
            self.ledger.change(notes=(*self._found.notes, str(error)))
