"""The offline scenario: all samples are there, so throughput counts, over batch sizes and threads until it stops."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from crossrt.harness.errors import ChildFailedError
from crossrt.harness.measure.effort import calls_for
from crossrt.harness.measure.participants import Prepared
from crossrt.harness.measure.scenarios.asked import AskedOffline
from crossrt.harness.measure.scenarios.budget import Allowance
from crossrt.harness.measure.scenarios.turns import Entrant, Found, Steps, Turns
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.reports.schema.scenarios import Offline, OfflineRound, Point, ScenarioOutcome
from crossrt.reports.text.progress import Display

BLOCK_NS: Final = 20_000_000
WARM_UP_NS: Final = 1_000_000
FEWEST_CALLS: Final = 3
LONGEST_CALL_NS: Final = 2_000_000_000
"""A call that takes longer is timed once, and no larger batch is tried."""

ENDING_STEPS: Final = 2
"""Steps without growth that end it: one alone may be noise, or a size that a kernel happens not to like."""


def measure_offline(
    asked: AskedOffline,
    prepared: Sequence[Prepared],
    baseline: str,
    allowance: Allowance,
    display: Display,
    into: dict[str, ScenarioOutcome],
) -> None:
    """Fills in the outcome of each case, by its id: points over batch sizes and threads."""
    entrants = list(_entrants(asked, prepared, baseline))
    found: Found[OfflineRound] = Found()
    ended: dict[str, str] = {}
    each_ns = allowance.of_each_ns(len(entrants))

    def steps(each: Entrant, worker: CaseWorker, index: int) -> Steps[OfflineRound]:
        return _grown(asked, each, worker, index, found.records.get(each.key, ()), allowance.seed, ended, each_ns)

    try:
        Turns(entrants, allowance.turns(), steps, found).run("offline", display)
    finally:
        into.update({each.case.id: _outcome(asked, each, entrants, found, ended) for each in prepared})


def threads_tried(most: int | None) -> list[int]:
    """1, 2, 4 and so on, and as many as there are processors, or the most that were asked for."""
    last = min(most or len(usable_cpus()), len(usable_cpus()))
    return sorted({*(1 << step for step in range(last.bit_length()) if 1 << step <= last), last})


def _entrants(asked: AskedOffline, prepared: Sequence[Prepared], baseline: str) -> Iterable[Entrant]:
    twice = next((each for each in prepared if each.case.subject == baseline), prepared[0])
    for threads in threads_tried(asked.max_threads):
        for each in prepared:
            yield Entrant(key=f"{each.case.id} on {threads}", prepared=each, threads=threads)
        yield Entrant(key=f"{twice.case.id} on {threads} again", prepared=twice, threads=threads, is_replicate=True)


def _grown(
    asked: AskedOffline,
    each: Entrant,
    worker: CaseWorker,
    index: int,
    known: Sequence[OfflineRound],
    seed: int,
    ended: dict[str, str],
    each_ns: int,
) -> Steps[OfflineRound]:
    """One process: a batch size a turn. The first round finds out which ones are worth it, later ones repeat them."""
    points: list[Point] = []
    spent_ns = 0
    sizes = [point.batch_size for point in known[0].points] if known else list(_doublings(asked, each))
    for size in sizes:
        began_ns = time.monotonic_ns()
        try:
            points.append(_point(each, worker, size, seed))
        except UnsupportedError as reason:
            if not points:
                raise
            ended[each.key] = f"batch {size} was not tried: {reason}"
            break
        except ChildFailedError as failure:
            if known or not points:
                raise
            ended[each.key] = f"batch {size} failed: {failure.reason}"
            break
        spent_ns += time.monotonic_ns() - began_ns
        yield
        if not known and spent_ns > each_ns and len(points) > ENDING_STEPS and size != sizes[-1]:
            ended[each.key] = f"t{each.threads}: the time was over at batch {size}; --time allows more"
            break
        if not known and (why := _stops(asked, points)) is not None:
            ended[each.key] = why
            break
        worker.unload()
    else:
        if (
            not known
            and len(points) > 1
            and (grown := points[-1].samples_per_s / points[-2].samples_per_s - 1) > asked.growth
        ):
            ended[each.key] = (
                f"t{each.threads} still grew by {grown:.0%} at batch {sizes[-1]}, the largest tried: see max_batch"
            )
    return OfflineRound(index=index, points=tuple(points))


def _doublings(asked: AskedOffline, each: Entrant) -> Iterable[int]:
    """Powers of two; where the model has a batch size of its own, from there."""
    size = each.prepared.case.scenario.batch_size
    yield size
    while (size := 2 * size) <= asked.max_batch:
        yield size


def _point(each: Entrant, worker: CaseWorker, size: int, seed: int) -> Point:
    prepared = each.prepared
    scenario = dataclasses.replace(prepared.case.scenario, batch_size=size, threads=each.threads)
    worker.load(prepared.artifact, scenario.session_options(prepared.feeding.dimensions))
    worker.feed(prepared.inputs, size, seed)
    call_ns = worker.first_inference()
    if call_ns < LONGEST_CALL_NS:
        call_ns = worker.time(1, 0).latency_ns[0]
        calls = max(FEWEST_CALLS, calls_for(call_ns, BLOCK_NS))
        call_ns = round(median(worker.time(calls, WARM_UP_NS).latency_ns))
    return Point(threads=each.threads, batch_size=size, call_ns=max(call_ns, 1))


def _stops(asked: AskedOffline, points: Sequence[Point]) -> str | None:
    """Why no larger batch is tried, or None."""
    last = points[-1]
    if last.call_ns >= LONGEST_CALL_NS:
        return f"a call of batch {last.batch_size} takes {last.call_ns / 1e9:.1f} s: no larger one was tried"
    if len(points) <= ENDING_STEPS:
        return None
    before = max(point.samples_per_s for point in points[:-ENDING_STEPS])
    after = max(point.samples_per_s for point in points[-ENDING_STEPS:])
    return None if after > before * (1 + asked.growth) else ""


def _outcome(
    asked: AskedOffline,
    prepared: Prepared,
    entrants: Sequence[Entrant],
    found: Found[OfflineRound],
    ended: dict[str, str],
) -> Offline:
    own = [each for each in entrants if each.case == prepared.case.id]
    rounds = {flag: _joined([each for each in own if each.is_replicate == flag], found) for flag in (False, True)}
    failures = [found.failures[each.key] for each in own if not each.is_replicate and each.key in found.failures]
    reasons = [text for each in own if not each.is_replicate and (text := ended.get(each.key))]
    is_lost = not rounds[False]
    return Offline(
        asked=asked.text,
        status="failed" if failures and is_lost else "skipped" if is_lost else "ok",
        reason=failures[0] if failures and is_lost else "interrupted before its first round ended" if is_lost else None,
        growth=asked.growth,
        rounds=rounds[False],
        replicate=rounds[True],
        ended=tuple(dict.fromkeys([*reasons, *(() if is_lost else failures)])),
    )


def _joined(entrants: Sequence[Entrant], found: Found[OfflineRound]) -> tuple[OfflineRound, ...]:
    """One record a round, over all numbers of threads."""
    points: dict[int, list[Point]] = {}
    for each in entrants:
        for record in found.records.get(each.key, ()):
            points.setdefault(record.index, []).extend(record.points)
    return tuple(OfflineRound(index=index, points=tuple(each)) for index, each in sorted(points.items()))
