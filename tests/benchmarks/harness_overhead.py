"""How far the harness's p50 is from a bare loop: `python tests/benchmarks/harness_overhead.py EXPORTED [VARIANT]`.

EXPORTED is a folder that `crossrt export` wrote. In one process, over one session of the fastest case, batches of the
harness (its worker's own `time` request) and of a bare `perf_counter_ns` loop take turns in random order. The ratio of
the medians over batches is printed, beside what the adapter costs above LiteRT's bare calls.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter_ns

import click
import numpy as np

from crossrt.harness.build.exported import read_folder
from crossrt.harness.process.affinity import pinned_cpu
from crossrt.harness.process.messages import Feed, ImportRuntime, InputFile, Load, TimeBlock
from crossrt.harness.process.worker import Worker
from crossrt.runtimes.protocol import SessionOptions

BATCHES = 200
CALLS = 250
WARMUP_NS = 1_500_000


def bare_loop(call: Callable[..., object], *arguments: object) -> list[int]:
    """The shortest loop that times single calls."""
    for _ in range(CALLS // 2):
        call(*arguments)
    samples = []
    for _ in range(CALLS):
        start = perf_counter_ns()
        call(*arguments)
        samples.append(perf_counter_ns() - start)
    return samples


def native_call(session: object, feed: np.ndarray) -> Callable[[], object]:
    """LiteRT's own three calls, without the adapter."""
    graph = session._graph
    (_, source, _), (_, target, _) = session._inputs[0], session._outputs[0]

    def call() -> object:
        graph.set_tensor(source, feed)
        graph.invoke()
        return graph.get_tensor(target)

    return call


def prepared_worker(folder: Path, variant: str) -> Worker:
    """The harness's worker, in this process, with the model loaded and samples ready."""
    artifact = next(each for each in read_folder(folder).artifacts.values() if each.id.endswith(f".{variant}.tflite"))
    worker = Worker()
    worker.answer(ImportRuntime(name="tflite"))
    worker.answer(Load(artifact=artifact, options=SessionOptions()))
    (spec,) = worker._live_session.inputs
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "samples.npy"
        np.save(path, np.random.default_rng(0).random((100, *spec.shape[1:]), dtype=np.float32), allow_pickle=False)
        worker.answer(Feed(inputs=(InputFile(name=spec.name, path=str(path), axis=0),), batch_size=1, seed=0))
    return worker


def main(folder: str, variant: str = "int8") -> None:
    """Takes turns and prints the ratio."""
    os.sched_setaffinity(0, {pinned_cpu(1)})
    worker = prepared_worker(Path(folder), variant)
    session, feeds = worker._live_session, worker._feeds[0]
    native = native_call(session, next(iter(feeds.values())))
    arms: dict[str, Callable[[], list[int]]] = {
        "harness": lambda: worker.answer(TimeBlock(calls=CALLS, warmup_ns=WARMUP_NS))["latency_ns"],
        "bare": lambda: bare_loop(session.run, feeds),
        "native": lambda: bare_loop(native),
    }
    found: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(BATCHES):
        for name in Random(perf_counter_ns()).sample(list(arms), len(arms)):
            found[name].append(median(arms[name]()))
    p50 = {name: median(values) for name, values in found.items()}
    click.echo(f"harness {p50['harness'] / 1000:.2f} µs, bare loop {p50['bare'] / 1000:.2f} µs")
    click.echo(f"adapter above LiteRT's own calls: {(p50['bare'] - p50['native']) / 1000:.2f} µs")
    click.echo(f"{p50['harness'] / p50['bare'] - 1:+.2%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
