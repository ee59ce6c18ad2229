"""Counters and energy of single calls, in a worker that does nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from crossrt.core.artifact import ModelArtifact
from crossrt.core.control_group import ROOT
from crossrt.core.errors import CrossrtError
from crossrt.datasets.opening import RANDOM, DataRequest, open_dataset
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.evidence.counters import PerfError, counter_problem, perf_stat
from crossrt.harness.evidence.energy import energy_between, energy_problem, read_meters
from crossrt.harness.measure.participant import Timed
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.affinity import Processors
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.harness.process.pythons.foreign import ForeignPython
from crossrt.reports.schema.evidence import CallEvidence
from crossrt.runtimes.protocol import SessionOptions

SAMPLES: Final = 64
_LONG_NS: Final = 500_000_000
"""Meters count in steps of a millisecond and more: so long is called at least, as far as the most calls allow."""

_FEWEST_CALLS: Final = 8
_MOST_CALLS: Final = 50_000
_WARM_UP_NS: Final = 50_000_000


def missing_evidence(root: Path = ROOT) -> tuple[str, ...]:
    """What this machine does not show, each with what helps."""
    return tuple(problem for problem in (counter_problem(root), energy_problem(root)) if problem is not None)


def shows_nothing(root: Path = ROOT) -> bool:
    """Whether there are neither counters nor a meter."""
    return counter_problem(root) is not None and energy_problem(root) is not None


def count_calls(
    case: str, timed: Timed, limits: WorkerLimits, folder: Path, seed: int = 0, root: Path = ROOT
) -> CallEvidence:
    """Calls a model for half a second while counters and meters are read; what the machine does not show is absent.

    Raises:
        ChildFailedError: The worker crashed, hung, or its model gave up.
        UnsupportedError: The runtime cannot run it.
        PerfError: Counters are there, and `perf stat` fails on them.
    """
    threads, size = timed.options.intra_op_threads, timed.options.batch_size
    with CaseWorker(threads, limits, timed.python) as worker:
        worker.start_import(timed.runtime)
        worker.finish_import()
        if cpus := Processors.of_this_process().of_worker(threads):
            worker.pin(cpus)
        worker.load(timed.artifact, timed.options)
        worker.feed(timed.inputs, size, seed)
        first_ns = worker.first_inference()
        warm = min(worker.time(_FEWEST_CALLS, min(_WARM_UP_NS, 10 * first_ns)).latency_ns)
        calls = max(_FEWEST_CALLS, min(_MOST_CALLS, _LONG_NS // max(warm, 1)))
        attached = perf_stat(worker.pid, folder) if counter_problem(root) is None else nullcontext()
        with attached as counters:
            before = read_meters(root)
            with nullcontext() if counters is None else counters.counting():
                worker.time(calls, 0)
            energy = energy_between(before, read_meters(root))
    made = calls + 1  # one call warms up, however short that may be
    counts: Mapping[str, int] = {} if counters is None else counters.counts

    def of_a_call(event: str) -> float | None:
        return counts[event] / made if event in counts else None

    return CallEvidence(
        case=case,
        calls=made,
        instructions=of_a_call("instructions"),
        cycles=of_a_call("cycles"),
        cache_misses=of_a_call("cache-misses"),
        energy_uj=None if energy is None else energy / made,
        is_user_only=counters is not None and counters.is_user_only,
    )


def evidence_of(
    case: str, timed: Timed, limits: WorkerLimits, folder: Path, root: Path = ROOT
) -> tuple[CallEvidence | None, tuple[str, ...]]:
    """Counters and energy of a call, None where the machine shows neither; and what it does not show.

    Raises:
        ChildFailedError: The worker crashed, hung, or its model gave up.
        UnsupportedError: The runtime cannot run it.
    """
    missing = missing_evidence(root)
    if shows_nothing(root):
        return None, missing
    try:
        return count_calls(case, timed, limits, folder, root=root), missing
    except PerfError as error:
        return None, (f"no counters (PMU): {error}", *missing)


def evidence_of_file(
    artifact: ModelArtifact,
    runtime: str,
    options: SessionOptions,
    limits: WorkerLimits,
    folder: Path,
    python: ForeignPython | None = None,
) -> tuple[CallEvidence | None, tuple[str, ...]]:
    """The same of a file that is fed with random inputs; a failure is told as a reason why nothing is known."""
    if shows_nothing():
        return None, missing_evidence()
    try:
        request = DataRequest(reference=RANDOM, limit=SAMPLES, dimensions=dict(options.dimensions))
        dataset = open_dataset(request, artifact.inputs)
        feeding = feeding_of(artifact, dataset, options.dimensions)
        inputs = feeding.inputs(RunData(dataset, folder, SAMPLES).first())
        timed = Timed(runtime=runtime, artifact=artifact, options=options, inputs=inputs, python=python)
        return evidence_of(artifact.id, timed, limits, folder)
    except (ChildFailedError, UnsupportedError, CrossrtError) as failure:
        return None, (f"no counters and no energy: {failure}",)
