"""What cases did in scenarios beside single-stream: multi-stream, offline, server, cold start."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0, le=2**53)]
Nanoseconds = Annotated[int, Meta(ge=0, le=10**15)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Rate = Annotated[float, Meta(gt=0, le=1e12)]
TrialVerdict = Literal["held", "not held", "undecided"]


class QueryRound(Struct, frozen=True, kw_only=True):
    """Latencies of the queries of one fresh process, in the order they were made."""

    index: Count
    latency_ns: Annotated[tuple[Annotated[int, Meta(ge=1, le=10**15)], ...], Meta(min_length=1)]


class Point(Struct, frozen=True, kw_only=True):
    """The median call at a batch size and a number of threads."""

    threads: Positive
    batch_size: Positive
    call_ns: Annotated[int, Meta(ge=1, le=10**15)]

    @property
    def samples_per_s(self) -> float:
        """Samples that such calls answer in a second."""
        return self.batch_size * 1e9 / self.call_ns


class OfflineRound(Struct, frozen=True, kw_only=True):
    """Points of one round: a fresh process for each number of threads."""

    index: Count
    points: Annotated[tuple[Point, ...], Meta(min_length=1)]


class Trial(Struct, frozen=True, kw_only=True):
    """Queries that arrived at random at one rate.

    `over` is how many of the `queries` were answered later than the bound after they were due, `tail_ns` the latency at
    the percentile, and `busy_ns` the time of `elapsed_ns` in which the model ran. A trial that did not hold and
    that other load or stolen time hit was made again, up to twice: `is_disturbed` if the last was hit as well.
    """

    rate_per_s: Rate
    queries: Count
    over: Count
    tail_ns: Nanoseconds
    busy_ns: Nanoseconds
    elapsed_ns: Nanoseconds
    verdict: TrialVerdict
    is_disturbed: bool = False


class ServerRound(Struct, frozen=True, kw_only=True):
    """The search of one fresh process; `sustained_per_s` is the highest rate that it held, or null."""

    index: Count
    trials: tuple[Trial, ...]
    sustained_per_s: Rate | None


class ColdRound(Struct, frozen=True, kw_only=True):
    """One start, from before the process was made to its first answer.

    `start_ns` is the system's and Python's part, numpy included; between `load_ns` and `first_call_ns` inputs were made
    ready, which is not counted.
    """

    index: Count
    start_ns: Nanoseconds
    import_ns: Nanoseconds
    load_ns: Nanoseconds
    first_call_ns: Nanoseconds

    @property
    def total_ns(self) -> int:
        """All parts."""
        return self.start_ns + self.import_ns + self.load_ns + self.first_call_ns


class Outcome(Struct, frozen=True, kw_only=True):
    """How a case did in a scenario; one that failed says why.

    `asked` is the scenario as it was asked for; where `replicate` is there, it holds the rounds of a second set of
    processes (A/A).
    """

    asked: Annotated[str, Meta(min_length=1)]
    status: Literal["ok", "failed", "skipped"] = "ok"
    reason: str | None = None


class MultiStream(Outcome, frozen=True, kw_only=True, tag="multi-stream", tag_field="kind"):
    """Queries of `samples` samples, one after the other; a call takes `batch_size` of them."""

    samples: Positive
    batch_size: Positive
    rounds: tuple[QueryRound, ...] = ()
    replicate: tuple[QueryRound, ...] = ()


class Offline(Outcome, frozen=True, kw_only=True, tag="offline", tag_field="kind"):
    """Throughput over batch sizes and threads; a step must give the share `growth` more to count."""

    growth: Annotated[float, Meta(gt=0, le=1)]
    rounds: tuple[OfflineRound, ...] = ()
    replicate: tuple[OfflineRound, ...] = ()
    ended: tuple[str, ...] = ()


class Server(Outcome, frozen=True, kw_only=True, tag="server", tag_field="kind"):
    """Poisson arrivals: the rate at which `percentile` percent of queries are answered within `latency_ns`."""

    latency_ns: Annotated[int, Meta(ge=1, le=10**15)]
    percentile: Annotated[float, Meta(gt=0, lt=100)]
    confidence: Annotated[float, Meta(gt=0, lt=1)]
    rate_per_s: Rate | None = None
    rounds: tuple[ServerRound, ...] = ()
    replicate: tuple[ServerRound, ...] = ()


class ColdStart(Outcome, frozen=True, kw_only=True, tag="cold-start", tag_field="kind"):
    """Process start to first answer; `cache` says whether files were in the page cache.

    `resident` is the largest share of the dropped files that was in the page cache before a start.
    """

    cache: Literal["warm", "cold"]
    rounds: tuple[ColdRound, ...] = ()
    replicate: tuple[ColdRound, ...] = ()
    resident: Annotated[float, Meta(ge=0, le=1)] | None = None


ScenarioOutcome = MultiStream | Offline | Server | ColdStart
