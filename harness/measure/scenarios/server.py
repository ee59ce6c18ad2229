"""The server scenario: the highest rate of Poisson arrivals at which a percentile of latencies keeps a bound."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Final

from crossrt.harness.measure.participants import Prepared
from crossrt.harness.measure.scenarios.asked import AskedServer
from crossrt.harness.measure.scenarios.budget import Allowance, keys_of, with_replicate
from crossrt.harness.measure.scenarios.search import RateSearch
from crossrt.harness.measure.scenarios.turns import Entrant, Found, Steps, Turns
from crossrt.harness.process.case_worker import CaseWorker, ServedQueries
from crossrt.harness.process.messages import ServeQueries
from crossrt.reports.schema.records import Round
from crossrt.reports.schema.scenarios import ScenarioOutcome, Server, ServerRound, Trial
from crossrt.reports.statistics.contrasts import calls_of
from crossrt.reports.statistics.queries import CONFIDENCE, looks
from crossrt.reports.text.progress import Display

FIRST_LOAD: Final = 0.7
"""The first rate that is tried, as a share of what calls that follow each other reach."""

NEXT_STEP: Final = 1.04
"""Later rounds look so near to what the rounds before found."""

TRIALS: Final = 9
"""Of a round, about: the first one brackets, later ones confirm."""

MOST_LONGER: Final = 4
"""A trial may take so many times its share of the time to come to where it can first be judged."""

WITH_ROOM: Final = 1.2
"""Of the time that queries take on average: their arrivals vary."""

REPEATS: Final = 2
"""A rate that is not held while other load takes the processor away is tried so often again."""

SHORTEST_NS: Final = 100_000_000
SHORTEST_BOUNDS: Final = 20
"""A trial lasts at least so long, and so many times the bound, before it is judged: a queue that starts empty needs
time to fill. At 5% more than what the model can do, queries wait as long as the bound only after twenty times that."""


def measure_server(
    asked: AskedServer,
    prepared: Sequence[Prepared],
    baseline: str,
    rounds_of: Mapping[str, Sequence[Round]],
    allowance: Allowance,
    display: Display,
    into: dict[str, ScenarioOutcome],
) -> None:
    """Fills in the outcome of each case, by its id, also where an interrupt ends it.

    Args:
        asked: The bound.
        prepared: The cases.
        baseline: Subject of the case that is measured twice.
        rounds_of: What single-stream found, by case.
        allowance: Rounds and time.
        display: Follows.
        into: Takes the outcomes.
    """
    hopeless = {each.case.id: why for each in prepared if (why := _hopeless(asked, rounds_of.get(each.case.id, ())))}
    able = [each for each in prepared if each.case.id not in hopeless]
    into.update({case: _outcome(asked, status="failed", reason=why) for case, why in hopeless.items()})
    if not able:
        return
    entrants = with_replicate(able, baseline)
    found: Found[ServerRound] = Found()
    each_ns = allowance.of_each_ns(len(entrants))

    def steps(each: Entrant, worker: CaseWorker, index: int) -> Steps[ServerRound]:
        return _searched(asked, each, worker, index, found.records.get(each.key, ()), each_ns, allowance.seed)

    why = f", and a trial lasts {shortest_ns(asked) / 1e9:,.3g} s at least, {SHORTEST_BOUNDS} times the bound"
    why = why if shortest_ns(asked) > SHORTEST_NS else ""
    try:
        Turns(entrants, allowance.turns(), steps, found).run("server", display, why)
    finally:
        into.update({each.case.id: _found_outcome(asked, each, entrants, found) for each in able})


def _hopeless(asked: AskedServer, rounds: Sequence[Round]) -> str | None:
    """Why no rate can be held, where calls that wait for nothing break the bound already."""
    calls = sorted(call for each in rounds for call in calls_of(each))
    if not calls:
        return None
    tail = calls[min(len(calls) - 1, math.ceil(len(calls) * asked.percentile / 100) - 1)]
    if tail <= asked.latency:
        return None
    return (
        f"no rate keeps {asked.percentile:g}% within {duration_words(asked.latency)}: calls that wait for nothing take"
        f" {duration_words(tail)} at that percentile already"
    )


def duration_words(nanoseconds: float) -> str:
    """A time for messages: in microseconds, or nanoseconds below one."""
    return f"{nanoseconds / 1000:,.0f} µs" if nanoseconds >= 1000 else f"{nanoseconds:.0f} ns"


def _searched(
    asked: AskedServer,
    each: Entrant,
    worker: CaseWorker,
    index: int,
    known: Sequence[ServerRound],
    each_ns: int,
    seed: int,
) -> Steps[ServerRound]:
    """One process: loads the model, then a trial a turn until the rate is known, or is bracketed and time is over."""
    most_ns, spent_ns = max(each_ns // (1 if asked.rate else TRIALS), 2 * shortest_ns(asked)), 0
    prepared = each.prepared
    timed = prepared.timed()
    worker.load(timed.artifact, timed.options)
    worker.feed(timed.inputs, prepared.case.scenario.batch_size, seed)
    worker.first_inference()
    yield
    trials: list[Trial] = []
    search = _search(asked, prepared, known)
    while (rate := search.next_rate()) is not None:
        arrivals = (seed * 1_000_003 + index * 1009 + len(trials)) * 2 + each.is_replicate
        began_ns = time.monotonic_ns()
        trials.append(_trial(asked, worker, rate, most_ns, arrivals))
        spent_ns += time.monotonic_ns() - began_ns
        search.tell(rate, is_held=trials[-1].verdict == "held")
        yield
        if spent_ns > each_ns and (search.is_bracketed or spent_ns > MOST_LONGER * each_ns):
            break
        if asked.rate is not None or (search.held is None and _is_too_short(trials[-1])):
            break
    return ServerRound(index=index, trials=tuple(trials), sustained_per_s=search.held)


def _is_too_short(trial: Trial) -> bool:
    """Whether the time was over before the rate could be judged, of which a lower one would be no better."""
    return trial.verdict == "undecided" and trial.over <= trial.queries // 2


def _search(asked: AskedServer, prepared: Prepared, known: Sequence[ServerRound]) -> RateSearch:
    if asked.rate is not None:
        return RateSearch(guess=asked.rate)
    before = [each.sustained_per_s for each in known if each.sustained_per_s is not None]
    if before:
        return RateSearch(guess=math.exp(sum(map(math.log, before)) / len(before)), step=NEXT_STEP)
    return RateSearch(guess=FIRST_LOAD * 1e9 / max(prepared.call_ns, 1))


def _trial(asked: AskedServer, worker: CaseWorker, rate: float, most_ns: int, seed: int) -> Trial:
    judged = looks(asked.percentile, CONFIDENCE, math.ceil(rate * shortest_ns(asked) / 1e9))
    needed_ns = int(WITH_ROOM * 1e9 * judged[0].queries / rate)
    request = ServeQueries(
        rate_per_s=rate,
        bound_ns=asked.latency,
        looks=tuple((each.queries, each.most_over, each.least_over) for each in judged),
        most_ns=max(most_ns, min(needed_ns, MOST_LONGER * most_ns)),
        percentile=asked.percentile,
        seed=seed,
    )
    for _ in range(REPEATS):
        served = worker.serve(request)
        if served.is_held or not served.is_disturbed:
            return told(rate, served)
    return told(rate, worker.serve(request))


def shortest_ns(asked: AskedServer) -> int:
    """How long a trial lasts at least before it is judged."""
    return max(SHORTEST_NS, SHORTEST_BOUNDS * asked.latency)


def told(rate: float, served: ServedQueries) -> Trial:
    """A trial as reports hold it; a rate at which the model cannot keep up is not held, however short the queue is."""
    is_held = False if rate * served.busy_ns >= 1e9 * served.queries else served.is_held
    return Trial(
        rate_per_s=rate,
        queries=served.queries,
        over=served.over,
        tail_ns=served.tail_ns,
        busy_ns=served.busy_ns,
        elapsed_ns=served.elapsed_ns,
        verdict="undecided" if is_held is None else "held" if is_held else "not held",
        is_disturbed=served.is_disturbed,
    )


def _found_outcome(
    asked: AskedServer, prepared: Prepared, entrants: Sequence[Entrant], found: Found[ServerRound]
) -> Server:
    """The rounds of a case, and why it has no rate where it has none."""
    rounds: dict[bool, tuple[ServerRound, ...]] = {}
    failure = None
    for key, is_replicate in keys_of(entrants, prepared.case.id):
        rounds[is_replicate] = tuple(found.records.get(key, ()))
        failure = failure if is_replicate else found.failures.get(key)
    own, replicate = rounds.get(False, ()), rounds.get(True, ())
    if failure is None and own and (why := _missed(asked, own)):
        failure = why
    if failure is not None:
        return _outcome(asked, rounds=own, replicate=replicate, status="failed", reason=failure)
    if not own:
        return _outcome(asked, status="skipped", reason="interrupted before its first round ended")
    return _outcome(asked, rounds=own, replicate=replicate)


def _missed(asked: AskedServer, rounds: Sequence[ServerRound]) -> str | None:
    """Why there is no rate: fewer than half of the rounds held one."""
    held = sum(each.sustained_per_s is not None for each in rounds)
    if 2 * held > len(rounds):
        return None
    trials = [trial for each in rounds for trial in each.trials if trial.verdict != "held"]
    nearest = min(trials, key=lambda trial: trial.rate_per_s)
    within = 1 - nearest.over / max(nearest.queries, 1)
    text = f"{within:.2%} of {nearest.queries:,} queries were answered within {duration_words(asked.latency)}"
    if nearest.verdict == "undecided":
        text += ", too few queries in the time to tell; --time allows more, and a lower percentile needs fewer"
    if nearest.is_disturbed:
        text += "; other load took the processor away meanwhile: try again on a quiet machine"
    return f"{nearest.rate_per_s:,.0f} queries/s were not held in {len(rounds) - held} of {len(rounds)} rounds: {text}"


def _outcome(asked: AskedServer, **fields: object) -> Server:
    return Server(
        asked=asked.text,
        latency_ns=asked.latency,
        percentile=asked.percentile,
        confidence=CONFIDENCE,
        rate_per_s=asked.rate,
        **fields,  # type: ignore[arg-type]
    )
