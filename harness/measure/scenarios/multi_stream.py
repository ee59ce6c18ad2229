"""The multi-stream scenario: queries of several samples, each sent when the one before is answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

from crossrt.harness.measure.participants import Prepared
from crossrt.harness.measure.scenarios.asked import AskedMultiStream
from crossrt.harness.measure.scenarios.budget import Allowance, keys_of, with_replicate
from crossrt.harness.measure.scenarios.turns import Entrant, Found, Steps, Turns
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.reports.schema.scenarios import MultiStream, QueryRound, ScenarioOutcome
from crossrt.reports.text.progress import Display

MOST_QUERIES: Final = 4096
"""Of a round: reports hold them all."""

BLOCK_NS: Final = 20_000_000
FEWEST_TURNS: Final = 2
WARM_UP_NS: Final = 1_000_000


def measure_multi_stream(
    asked: AskedMultiStream,
    prepared: Sequence[Prepared],
    baseline: str,
    allowance: Allowance,
    display: Display,
    into: dict[str, ScenarioOutcome],
) -> None:
    """Fills in the outcome of each case, by its id."""
    entrants = with_replicate(prepared, baseline)
    each_ns = allowance.of_each_ns(len(entrants))
    found: Found[QueryRound] = Found()
    sizes: dict[str, int] = {}

    def steps(each: Entrant, worker: CaseWorker, index: int) -> Steps[QueryRound]:
        return _asked_queries(asked, each, worker, index, each_ns, allowance.seed, sizes)

    try:
        Turns(entrants, allowance.turns(), steps, found).run(
            "multi-stream", display, f", and a query has {asked.samples:,} samples"
        )
    finally:
        into.update({each.case.id: _outcome(asked, each, entrants, found, sizes) for each in prepared})


def _asked_queries(
    asked: AskedMultiStream,
    each: Entrant,
    worker: CaseWorker,
    index: int,
    each_ns: int,
    seed: int,
    sizes: dict[str, int],
) -> Steps[QueryRound]:
    """One process: a block of queries a turn."""
    size = _load(asked, each.prepared, worker)
    sizes[each.case] = size
    worker.feed(each.prepared.inputs, size, seed)
    worker.first_inference()
    calls = asked.samples // size
    query_ns = max(sum(worker.time(calls, WARM_UP_NS).latency_ns), 1)
    yield
    if FEWEST_TURNS * query_ns > each_ns:  # no time for more than the one that was made to see how long it takes
        return QueryRound(index=index, latency_ns=(query_ns,))
    queries = max(FEWEST_TURNS, min(MOST_QUERIES, each_ns // query_ns))
    block = max(1, min(queries // FEWEST_TURNS, BLOCK_NS // query_ns))
    latency_ns: list[int] = []
    while len(latency_ns) < queries:
        latency_ns += _grouped(worker.time(block * calls, WARM_UP_NS).latency_ns, calls)
        yield
    return QueryRound(index=index, latency_ns=tuple(latency_ns))


def _load(asked: AskedMultiStream, prepared: Prepared, worker: CaseWorker) -> int:
    """Loads the model for a whole query, or for the case's own batch size where it cannot take one; returns the size.

    Raises:
        UnsupportedError: Neither can be run, or queries cannot be made of the model's batches.
    """
    timed, own = prepared.timed(), prepared.case.scenario
    whole = dataclasses.replace(own, batch_size=asked.samples).session_options(prepared.feeding.dimensions)
    try:
        worker.load(timed.artifact, whole)
    except UnsupportedError as reason:
        if asked.samples % own.batch_size:
            raise UnsupportedError(
                f"a query of {asked.samples} samples cannot be made of calls of {own.batch_size}: {reason}"
            ) from reason
        worker.load(timed.artifact, timed.options)
        return own.batch_size
    return asked.samples


def _grouped(calls_ns: Sequence[int], calls: int) -> Iterable[int]:
    """The latency of each query: the sum of its calls."""
    return (max(sum(calls_ns[start : start + calls]), 1) for start in range(0, len(calls_ns), calls))


def _outcome(
    asked: AskedMultiStream,
    prepared: Prepared,
    entrants: Sequence[Entrant],
    found: Found[QueryRound],
    sizes: dict[str, int],
) -> MultiStream:
    case = prepared.case.id
    rounds = {is_replicate: found.records.get(key, []) for key, is_replicate in keys_of(entrants, case)}
    failure = found.failures.get(case)
    own = tuple(rounds.get(False, ()))
    return MultiStream(
        asked=asked.text,
        status="failed" if failure else "ok" if own else "skipped",
        reason=failure if failure or own else "interrupted before its first round ended",
        samples=asked.samples,
        batch_size=sizes.get(case, prepared.case.scenario.batch_size),
        rounds=own,
        replicate=tuple(rounds.get(True, ())),
    )
