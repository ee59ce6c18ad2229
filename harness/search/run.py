"""A search from beginning to end."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from crossrt.analysis.search.keeping import Keeping
from crossrt.analysis.search.record import Opened, SearchJob
from crossrt.analysis.search.result import SCHEMA_VERSION, SearchReport
from crossrt.analysis.search.sentence import found_sentence, is_unjudged, none_sentence
from crossrt.datasets.tasks.choosing import chance_caution
from crossrt.exporters.sources.onnx_file import total_bytes
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.interrupts import Interrupts, interruptible
from crossrt.harness.process.out import alone_in, check_writable, made_folder
from crossrt.harness.process.packages import QUANTIZING, check_packages
from crossrt.harness.run.prepare import scratch_folder
from crossrt.harness.search.builder import Builder
from crossrt.harness.search.confirming import Court, least_s
from crossrt.harness.search.enough import check_enough
from crossrt.harness.search.hunt import LAST_TIMING_SHARE, Hunt
from crossrt.harness.search.ledger import Ledger, read_search
from crossrt.harness.search.opening import Start, open_search
from crossrt.harness.search.request import SearchRequest
from crossrt.harness.search.scoring import STRICT_ALPHA, Scorer
from crossrt.harness.search.timing import Stopwatch
from crossrt.harness.search.trying import Trier
from crossrt.reports.text.progress import Display

SCORING_SHARE: Final = 0.04
"""Of the time, for the answers of one candidate to one part: a search makes a dozen of them."""

CONFIRMING_SHARE: Final = 0.12
BUILDING_TIMEOUT_SHARE: Final = 0.4
LEAST_PREPARING_S: Final = 30.0
"""Starting the process that builds takes seconds, and more on a machine that has other things to do."""


def run_search(
    request: SearchRequest, display: Display, keep: Callable[[SearchReport], object] = lambda _: None
) -> SearchReport:
    """Searches until a file keeps to the budget, nothing is left to try, or the time is over.

    Args:
        request: What is asked for.
        display: Follows.
        keep: Writes what belongs beside the report, before anything can interrupt again.

    Raises:
        CrossrtError: Something cannot be used, or the budget cannot be shown to hold with so few samples.
    """
    check_writable(request.out)
    check_packages("a search", QUANTIZING)
    with made_folder(request.out), alone_in(request.out):
        previous = _previous(request)
        if previous is not None and previous.status == "found":
            return previous
        return _searched(request, previous, display, keep)


def _searched(
    request: SearchRequest, previous: SearchReport | None, display: Display, keep: Callable[[SearchReport], object]
) -> SearchReport:
    with interruptible() as interrupts, scratch_folder() as folder:
        start = open_search(request, folder, display)
        deadline = time.monotonic() + request.time_s
        job = _job(request, start, folder)
        with Builder(job, BUILDING_TIMEOUT_SHARE * request.time_s) as builder:
            display.phase("preparing", None)
            opened = builder.open(preparing_s(request.time_s))
            search = _Search(request, start, builder, opened, previous, deadline, folder, display)
            found = search.run(interrupts)
        keep(found)
        return found


def preparing_s(time_s: float) -> float:
    """What preparing may take of the seconds of a search."""
    return max(BUILDING_TIMEOUT_SHARE * time_s, min(LEAST_PREPARING_S, time_s))


def _previous(request: SearchRequest) -> SearchReport | None:
    """What the folder holds of this search, if it is to go on."""
    found = read_search(request.out)
    if request.resumes:
        if found is None:
            raise HarnessError(f"{request.out} holds no search to go on with: leave out --resume")
        return found
    if found is not None and found.status in ("searching", "interrupted"):
        raise HarnessError(
            f"{request.out} holds a search that was not over: go on with --resume, delete that folder, or choose"
            " another --out"
        )
    return None


def _job(request: SearchRequest, start: Start, folder: Path) -> SearchJob:
    scratch = folder / "search"
    scratch.mkdir()
    calibration = start.opened.project.calibration
    assert calibration is not None
    return SearchJob(
        model=start.opened.project.model,
        float_path=str(start.original.path),
        source_sha256=start.original.source_sha256,
        folder=str(scratch),
        data=dataclasses.asdict(start.opened.project.data),
        indices=start.search,
        calibration=dataclasses.asdict(calibration),
        dimensions=dict(request.subject.dimensions),
        threads=request.threads,
    )


@dataclass(slots=True)
class _Search:
    """A search whose model is open."""

    request: SearchRequest
    start: Start
    builder: Builder
    opened: Opened
    previous: SearchReport | None
    deadline: float
    folder: Path
    display: Display

    def run(self, interrupts: Interrupts) -> SearchReport:
        """Candidates, then the verdict."""
        request = self.request
        settings = BenchSettings(
            subject=request.subject,
            threads=request.threads,
            minimum_agreement=0.0,
            seed=request.seed,
            limits=request.limits,
        )
        limit_note = self._limit_samples()
        self.display.phase("answering in float", 2)
        parts = [
            self._answered(part, name, settings)
            for part, name in zip(self.start.parts(), ("chosen-on", "aside"), strict=True)
        ]
        search, aside = parts
        ledger = self._ledger(search, aside)
        if limit_note is not None:
            ledger.note(limit_note)
        request.out.mkdir(parents=True, exist_ok=True)
        ledger.save()
        trier = Trier(self.builder, search, ledger, self.deadline)
        watches = [Stopwatch(self.start.original, part, settings, self._batch_size()) for part in parts]
        timing_s = max(5.0, CONFIRMING_SHARE * request.time_s)
        reserve_s = min(0.5 * request.time_s, aside.seconds + 3.0 + timing_s)
        hunt = Hunt(self.builder, self.opened, trier, watches[0], ledger, self.display, reserve_s, least_s(aside))
        court = Court(trier, aside, watches[1], ledger, self.display, timing_s)
        try:
            self._hunt(hunt, court, ledger, aside)
            interrupts.settle()
        except KeyboardInterrupt:
            interrupts.settle()
            ledger.end("interrupted", "The search was interrupted: --resume goes on with what was found.")
        return ledger.report

    def _answered(self, part: object, name: str, settings: BenchSettings) -> Scorer:
        found = Scorer(part, self.start.original, settings, self.folder / name)  # type: ignore[arg-type]
        self.display.step()
        return found

    def _hunt(self, hunt: Hunt, court: Court, ledger: Ledger, aside: Scorer) -> None:
        plans = hunt.try_bases()
        hunt.time_fitting(plans[:2])
        passed = court.judge(most=1)
        if passed is None:
            hunt.grow(plans)
            if not ledger.report.confirmations:
                hunt.time_fitting(share=LAST_TIMING_SHARE)
                passed = court.judge(most=1, untimed=True)
        if passed is None:
            hunt.grow_safer(plans)
            hunt.time_fitting(share=LAST_TIMING_SHARE)
            passed = court.judge(most=2, untimed=True)
        if passed is None:
            hunt.keep_nearest()
            sentence = none_sentence(ledger.report, ledger.keeping, self.request.out)
            ledger.end("unjudged" if is_unjudged(ledger.report, ledger.keeping) else "none", sentence)
        else:
            value = aside.baseline.values[aside.metric.name]
            ledger.end("found", found_sentence(ledger.report, passed, self.request.out, value))

    def _limit_samples(self) -> str | None:
        """Cuts both parts where answering one would take more than its share of the time; the note on it."""
        if self.previous is not None:
            most = [self.previous.search_samples, self.previous.held_out_samples]
            self.start = self.start.limited(most, self.request.seed)
            return None
        affordable = max(100, int(SCORING_SHARE * self.request.time_s / max(self.opened.sample_s, 1e-9)))
        before = len(self.start.search), len(self.start.aside)
        self.start = self.start.limited([affordable, affordable], self.request.seed)
        if before == (len(self.start.search), len(self.start.aside)):
            return None
        note = (
            f"to fit the time, {len(self.start.search):,} of {before[0]:,} samples are searched on and"
            f" {len(self.start.aside):,} of {before[1]:,} kept aside: --time allows more"
        )
        self.display.remark(f"  {note}")
        return note

    def _ledger(self, search: Scorer, aside: Scorer) -> Ledger:
        """The report as it begins, or as it was left.

        Raises:
            HarnessError: The samples are too few for the budget, or the report is that of another search.
        """
        allowed = self.request.budget.drop.allowed(search.metric, search.baseline)
        for part in (search, aside):
            check_enough(part, allowed, self.request.held_out)
        report = self._begun(search, aside, allowed)
        if self.previous is not None:
            _check_same(report, self.previous)
            report = msgspec.structs.replace(
                self.previous, status="searching", sentence="", notes=(), time_s=self.request.time_s
            )
        keeping = Keeping(
            budget=self.request.budget,
            allowed=allowed,
            float_size_bytes=report.float_size_bytes,
            is_strict=search.least_upper(STRICT_ALPHA) <= 0.7 * allowed,
        )
        return Ledger(report, keeping, self.request.out, self.deadline - self.request.time_s)

    def _begun(self, search: Scorer, aside: Scorer, allowed: float) -> SearchReport:
        opened, original = self.start.opened, self.start.original
        cautions = list(opened.cautions)
        if (labels := search.data.labels) is not None:
            caution = chance_caution(search.judge.task, search.baseline, labels)
            cautions += [] if caution is None else [caution]
        assert opened.calibration is not None
        return SearchReport(
            schema_version=SCHEMA_VERSION,
            crossrt=version("crossrt"),
            status="searching",
            model=opened.project.model,
            model_sha256=original.source_sha256,
            data=opened.data.dataset.name,
            data_fingerprint=opened.data.dataset.fingerprint,
            calibration_fingerprint=opened.calibration.fingerprint,
            seed=self.request.seed,
            held_out=self.request.held_out,
            budget=self.request.budget,
            allowed=allowed,
            metric=search.metric,
            float_value=search.baseline.values[search.metric.name],
            float_size_bytes=total_bytes(original.path, original.data_files),
            search_samples=search.samples,
            held_out_samples=aside.samples,
            cautions=tuple(cautions),
            time_s=self.request.time_s,
        )

    def _batch_size(self) -> int:
        batching = self.start.original.batching
        fixed = batching.size or 1 if batching.dimension is None else None
        if fixed is not None and self.request.batch_size not in (None, fixed):
            raise HarnessError(
                f"--batch {self.request.batch_size}: the model takes {fixed} samples a call, no other number"
            )
        return fixed or self.request.batch_size or 1


_SAME: Final = (
    ("model_sha256", "the model"),
    ("data_fingerprint", "the data"),
    ("calibration_fingerprint", "the calibration data"),
    ("seed", "--seed"),
    ("held_out", "--held-out"),
    ("budget", "the budget"),
)


def _check_same(report: SearchReport, previous: SearchReport) -> None:
    """Candidates of another search must not count for this one."""
    if different := [what for field, what in _SAME if getattr(report, field) != getattr(previous, field)]:
        raise HarnessError(
            f"the search to go on with is another one: {', '.join(different)} differ; give what it was begun with, or"
            " choose another --out"
        )
