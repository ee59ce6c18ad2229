"""The process that measures: numpy, one runtime, one case. `python -m crossrt.harness.process.worker`, requests in.

It does one thing at a time, when told to. Whatever fails is an answer `{"error": ...}`; a crash is seen by the parent.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import artifact_from_fields
from crossrt.core.parent import die_with_parent
from crossrt.harness.measure.anchor import Anchor
from crossrt.harness.process.disturbance import read_now
from crossrt.runtimes.errors import RuntimeAdapterError
from crossrt.runtimes.feeds import Quantizer, dequantize
from crossrt.runtimes.protocol import Feeds, Runtime, Session, SessionOptions
from crossrt.runtimes.registry import get_runtime

Request = dict[str, Any]
Answer = dict[str, Any]

_FEEDS = 8  # enough that no single digit is learned by branch predictors and caches


class Worker:
    """Answers requests; state runs from `runtime` over `load` and `feed` to `time`."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._session: Session | None = None
        self._runs: list[Callable[[Feeds], Any]] = []
        self._feeds: list[Feeds] = []

    def answer(self, request: Request) -> Answer:
        """Does what a request asks."""
        handlers: dict[str, Callable[[Request], Answer]] = {
            "runtime": self._take_runtime,
            "pin": self._pin,
            "anchor": self._take_anchor,
            "load": self._load,
            "feed": self._feed,
            "first_run": self._first_run,
            "time": self._time,
            "evaluate": self._evaluate,
            "operators": self._operators,
            "profile": self._profile,
            "memory": self._memory,
        }
        return handlers[request["do"]](request)

    def _take_runtime(self, request: Request) -> Answer:
        """Imports the runtime, so that its import is part of no figure."""
        runtime = get_runtime(request["name"])
        self._runtime = runtime
        return {"version": runtime.version(), "formats": runtime.formats, "peak_bytes": peak_memory_bytes()}

    def _pin(self, request: Request) -> Answer:
        os.sched_setaffinity(0, request["cpus"])
        return {}

    def _take_anchor(self, _: Request) -> Answer:
        start = perf_counter_ns()
        self._runs, self._feeds = [Anchor().run], [{}]
        _quiet_collector()
        return {"load_ns": perf_counter_ns() - start}

    def _load(self, request: Request) -> Answer:
        """Loads a model; loading it again makes another session, elsewhere in memory."""
        artifact, options = artifact_from_fields(request["artifact"]), SessionOptions(**request["options"])
        runtime = self._known_runtime
        if (reason := runtime.unsupported_reason(artifact, options)) is not None:
            return {"unsupported": reason}
        start = perf_counter_ns()
        session = runtime.prepare(artifact, options)
        load_ns = perf_counter_ns() - start
        self._session = self._session or session
        self._runs.append(session.run)
        return {"load_ns": load_ns}

    def _feed(self, request: Request) -> Answer:
        """Makes ready a few batches of the images in a file, float32 `(count, 28, 28, 1)`, drawn by seed."""
        images = np.load(request["images"], mmap_mode="r", allow_pickle=False)
        batch_size = request["batch_size"]
        chosen = np.random.default_rng(request["seed"]).choice(len(images), (_FEEDS, batch_size))
        self._feeds = [self._as_feeds(images[rows]) for rows in chosen]
        _quiet_collector()
        return {}

    def _first_run(self, _: Request) -> Answer:
        start = perf_counter_ns()
        self._runs[0](self._feeds[0])
        return {"first_run_ns": perf_counter_ns() - start}

    def _time(self, request: Request) -> Answer:
        """Warms up for a while, then times single calls; says how long it was kept from running meanwhile."""
        run, feeds = self._runs[request["session"]], self._feeds
        before = read_now()
        warm_up(run, feeds, request["warmup_ns"])
        latency_ns = time_calls(run, feeds, request["calls"])
        after = read_now()
        return {
            "latency_ns": latency_ns,
            "elapsed_ns": after.clock_ns - before.clock_ns,
            "waited_ns": after.waited_ns - before.waited_ns,
            "stolen_ns": after.stolen_ns - before.stolen_ns,
        }

    def _evaluate(self, request: Request) -> Answer:
        """Runs all images in order and writes the logits, float32 `(count, classes)`, as `.npy`."""
        images = np.load(request["images"], mmap_mode="r", allow_pickle=False)
        batches = self._logits(images, request["batch_size"])
        logits = np.concatenate(list(batches))[: len(images)]
        if not np.isfinite(logits).all():
            return {"error": "the model answers with NaN or infinity"}
        np.save(request["logits"], logits, allow_pickle=False)
        return {}

    def _logits(self, images: NDArray[np.float32], batch_size: int) -> Iterator[NDArray[np.float32]]:
        session = self._live_session
        spec = session.outputs[0]
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            if len(batch) < batch_size:  # the batch size is fixed: fill up, the caller drops the surplus
                batch = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), axis=0)])
            output = session.run(self._as_feeds(batch))[spec.name]
            yield output.astype(np.float32, copy=False) if spec.scale is None else dequantize(output, spec)

    def _operators(self, _: Request) -> Answer:
        return {"operators": self._live_session.executed_operators()}

    def _profile(self, request: Request) -> Answer:
        profile = self._live_session.profile(request["calls"])
        return {"profile": dataclasses.asdict(profile) if profile else None}

    def _memory(self, _: Request) -> Answer:
        return {"peak_bytes": peak_memory_bytes()}

    def _as_feeds(self, batch: NDArray[np.float32]) -> Feeds:
        spec = self._live_session.inputs[0]
        contiguous = np.ascontiguousarray(batch)
        return {spec.name: contiguous if spec.scale is None else Quantizer(spec, contiguous.shape)(contiguous)}

    @property
    def _known_runtime(self) -> Runtime:
        assert self._runtime is not None, "asked to load before a runtime was named"
        return self._runtime

    @property
    def _live_session(self) -> Session:
        assert self._session is not None, "asked to run before a model was loaded"
        return self._session


def _quiet_collector() -> None:
    """Ends garbage collection for the rest of this process's life: what is timed makes no cycles."""
    gc.collect()
    gc.freeze()
    gc.disable()


def warm_up(run: Callable[[Feeds], Any], feeds: list[Feeds], duration_ns: int) -> None:
    """Calls until the duration has passed, each feed at least once."""
    end = perf_counter_ns() + duration_ns
    while True:
        for feed in feeds:
            run(feed)
        if perf_counter_ns() >= end:
            return


def time_calls(run: Callable[[Feeds], Any], feeds: list[Feeds], calls: int) -> list[int]:
    """Nanoseconds of each of `calls` single calls, the feeds taken in turn."""
    samples = [0] * calls
    count = len(feeds)
    for index in range(calls):
        feed = feeds[index % count]
        start = perf_counter_ns()
        run(feed)
        samples[index] = perf_counter_ns() - start
    return samples


def peak_memory_bytes() -> int:
    """`VmHWM` of this process. `ru_maxrss` would not do: it is inherited through fork and exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM: peak memory can only be read on Linux")


def main() -> int:
    """Answers requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what native code prints must not look like an answer
    die_with_parent()
    first = json.loads(sys.stdin.readline() or "{}")
    _limit(first.get("memory_limit_bytes"))
    worker = Worker()
    _reply(answers, {})
    for line in sys.stdin:
        _reply(answers, _safely(worker, json.loads(line)))
    return 0


def _reply(answers: IO[str], answer: Answer) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _safely(worker: Worker, request: Request) -> Answer:
    try:
        return worker.answer(request)
    except RuntimeAdapterError as error:
        return {"error": str(error), "kind": type(error).__name__}
    except MemoryError:
        return {"error": "out of memory: the limit of this process was reached", "kind": "MemoryError"}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}", "kind": type(error).__name__}


def _limit(memory_limit_bytes: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_limit_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_limit_bytes, memory_limit_bytes))


if __name__ == "__main__":
    sys.exit(main())
