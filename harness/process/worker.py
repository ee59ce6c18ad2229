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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import IO, Any

import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.parent import die_with_parent, leaving_copies
from crossrt.harness.process.affinity import STATUS
from crossrt.harness.process.disturbance import read_now
from crossrt.harness.process.loops import WARM_UP_NS, poisson_arrivals, serve_queries, time_calls, warm_up
from crossrt.harness.process.messages import (
    Evaluate,
    Feed,
    FirstInference,
    ImportRuntime,
    InputFile,
    Load,
    LoadReferenceWorkload,
    Pin,
    ProfileCalls,
    ReadOperators,
    ReadPeakMemory,
    Request,
    ServeQueries,
    TellTime,
    TimeBlock,
    Unload,
    decoded,
)
from crossrt.harness.process.reference_workload import ReferenceWorkload
from crossrt.harness.process.session_arrays import Array, as_input, as_samples, laid_out, opened, problem_of, samples
from crossrt.runtimes.configured import declared_options, is_timed, values_of
from crossrt.runtimes.errors import RuntimeAdapterError
from crossrt.runtimes.protocol import Feeds, Runtime, Session
from crossrt.runtimes.registry import get_runtime

Answer = dict[str, Any]

_FEEDS = 8  # enough that no single sample is learned by branch predictors and caches
_MOST_FEED_BYTES = 64 * 2**20


class Worker:
    """Answers requests; state runs from a runtime over a model and feeds to timed blocks."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._session: Session | None = None
        self._artifact: ModelArtifact | None = None
        self._runs: list[Callable[[Feeds], Any]] = []
        self._feeds: list[Feeds] = []
        self._handlers: dict[type[Request], Callable[[Any], Answer]] = {
            ImportRuntime: self._take_runtime,
            Pin: self._pin,
            LoadReferenceWorkload: self._take_reference_workload,
            Load: self._load,
            Feed: self._feed,
            FirstInference: self._first_inference,
            TimeBlock: self._time,
            ServeQueries: self._serve,
            Unload: self._unload,
            TellTime: lambda _: {"clock_ns": perf_counter_ns()},
            Evaluate: self._evaluate,
            ReadOperators: self._operators,
            ProfileCalls: self._profile,
            ReadPeakMemory: self._memory,
        }

    def answer(self, request: Request) -> Answer:
        """Does what a request asks."""
        return self._handlers[type(request)](request)

    def _take_runtime(self, request: ImportRuntime) -> Answer:
        runtime = get_runtime(request.name)
        self._runtime = runtime
        values = values_of(runtime)
        return {
            "name": runtime.name,
            "version": runtime.version(),
            "formats": runtime.formats,
            "peak_bytes": peak_memory_bytes(),
            "options": values,
            "declared": [dataclasses.asdict(option) for option in declared_options(runtime)],
            "is_timed": is_timed(runtime, values),
        }

    def _pin(self, request: Pin) -> Answer:
        os.sched_setaffinity(0, request.cpus)
        return {}

    def _take_reference_workload(self, _: LoadReferenceWorkload) -> Answer:
        start = perf_counter_ns()
        self._runs, self._feeds = [ReferenceWorkload().run], [{}]
        _quiet_collector()
        return {"load_ns": perf_counter_ns() - start}

    def _load(self, request: Load) -> Answer:
        runtime = self._known_runtime
        if (reason := runtime.unsupported_reason(request.artifact, request.options)) is not None:
            return {"unsupported": reason}
        start = perf_counter_ns()
        session = runtime.prepare(request.artifact, request.options)
        load_ns = perf_counter_ns() - start
        if self._session is None:
            self._session, self._artifact = session, request.artifact
        self._runs.append(session.run)
        return {"load_ns": load_ns}

    def _feed(self, request: Feed) -> Answer:
        arrays = opened(request.inputs)
        count = samples(request.inputs, arrays)
        rows = np.random.default_rng(request.seed).choice(count, (_FEEDS, request.batch_size))
        self._feeds = []
        for chosen in rows:
            self._feeds.append(self._as_feeds(request.inputs, arrays, chosen))
            size = sum(array.nbytes for array in self._feeds[0].values())
            if size * (len(self._feeds) + 1) > _MOST_FEED_BYTES:
                break
        _quiet_collector()
        return {}

    def _first_inference(self, _: FirstInference) -> Answer:
        start = perf_counter_ns()
        self._runs[0](self._feeds[0])
        return {"first_inference_ns": perf_counter_ns() - start}

    def _time(self, request: TimeBlock) -> Answer:
        """Warms up for a while, then times single calls; says how long it was kept from running meanwhile."""
        run, feeds = self._runs[request.session], self._feeds
        before = read_now()
        warm_up(run, feeds, request.warmup_ns)
        latency_ns = time_calls(run, feeds, request.calls)
        after = read_now()
        return {
            "latency_ns": latency_ns,
            "elapsed_ns": after.clock_ns - before.clock_ns,
            "waited_ns": after.waited_ns - before.waited_ns,
            "stolen_ns": after.stolen_ns - before.stolen_ns,
        }

    def _serve(self, request: ServeQueries) -> Answer:
        due_ns = poisson_arrivals(request.rate_per_s, request.looks[-1][0], request.seed)
        run = self._runs[0]
        warm_up(run, self._feeds, WARM_UP_NS)
        before = read_now()
        found = serve_queries(run, self._feeds, due_ns, request.bound_ns, request.looks, request.most_ns)
        after = read_now()
        return {
            "queries": len(found.latency_ns),
            "over": found.over,
            "tail_ns": int(np.percentile(found.latency_ns, request.percentile)),
            "busy_ns": found.busy_ns,
            "elapsed_ns": found.elapsed_ns,
            "is_held": found.is_held,
            "away_ns": after.waited_ns - before.waited_ns + after.stolen_ns - before.stolen_ns,
        }

    def _unload(self, _: Unload) -> Answer:
        if self._session is not None:
            self._session.close()
        self._session, self._artifact, self._runs, self._feeds = None, None, [], []
        gc.unfreeze()
        gc.collect()
        return {}

    def _evaluate(self, request: Evaluate) -> Answer:
        """Answers samples in order; one without an axis of samples is left out, with the reason."""
        specs = self._live_session.outputs
        found: dict[str, list[Array]] = {spec.name: [] for spec in specs}
        for outputs in self._outputs(request):
            for spec in specs:
                found[spec.name].append(outputs[spec.name])
        problems = {
            name: problem for name, parts in found.items() if (problem := problem_of(parts, request.batch_size))
        }
        for number, (name, parts) in enumerate(found.items()):
            if name not in problems:
                joined = np.concatenate(parts)[: request.samples]
                np.save(Path(request.folder) / f"{number}.npy", joined, allow_pickle=False)
        return {"outputs": list(found), "problems": problems}

    def _outputs(self, request: Evaluate) -> Iterator[dict[str, Array]]:
        """Outputs of each call, samples along axis 0."""
        session, size = self._live_session, request.batch_size
        assert self._artifact is not None
        arrays = opened(request.inputs)
        for start in range(0, request.samples, size):
            # the batch size is fixed: the last one is filled up, the surplus is dropped
            rows = np.minimum(np.arange(start, start + size), request.samples - 1)
            outputs = session.run(self._as_feeds(request.inputs, arrays, rows))
            yield {spec.name: as_samples(outputs[spec.name], spec, self._artifact, size) for spec in session.outputs}

    def _operators(self, _: ReadOperators) -> Answer:
        session = self._live_session
        note: Callable[[], str | None] = getattr(session, "placement_note", lambda: None)
        return {"operators": session.executed_operators(), "note": note()}

    def _profile(self, request: ProfileCalls) -> Answer:
        profile = self._live_session.profile(request.calls)
        return {"profile": dataclasses.asdict(profile) if profile else None}

    def _memory(self, _: ReadPeakMemory) -> Answer:
        return {"peak_bytes": peak_memory_bytes()}

    def _as_feeds(self, inputs: Sequence[InputFile], arrays: dict[str, Array], rows: Array) -> Feeds:
        specs = {spec.name: spec for spec in self._live_session.inputs}
        return {each.name: as_input(specs[each.name], laid_out(each, arrays[each.name], rows)) for each in inputs}

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


def peak_memory_bytes() -> int:
    """`VmHWM` of this process; 0 where the system, as macOS, does not say.

    `ru_maxrss` would not do: it is inherited through fork and exec.
    """
    if not STATUS.exists():
        return 0
    return next((int(line.split()[1]) * 1024 for line in STATUS.read_text().splitlines() if line[:6] == "VmHWM:"), 0)


def main() -> int:
    """Answers requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what native code prints must not look like an answer
    die_with_parent()
    serve(Worker(), sys.stdin, answers)
    return 0


def serve(worker: Worker, requests: IO[str], answers: IO[str]) -> None:
    """Takes the limits from the first line, greets, then answers requests until they end."""
    first = json.loads(requests.readline() or "{}")
    _limit(first.get("memory_limit_bytes"))
    _reply(answers, {})
    for line in requests:
        _reply(answers, _safely(worker, decoded(json.loads(line))))


def _reply(answers: IO[str], answer: Answer) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _safely(worker: Worker, request: Request) -> Answer:
    try:
        with leaving_copies():
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
