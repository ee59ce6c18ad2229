"""Steady-state latency of every case. One iteration per datum, warmed up, pinned like the rounds of `crossrt bench`."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from crossrt.harness.build.builder import Artifacts
from crossrt.harness.evaluate.assess import Assessment
from crossrt.harness.measure.case import Case
from crossrt.harness.process.affinity import pinned_cpu, usable_cpus
from crossrt.runtimes.registry import get_runtime

WARMUP_CALLS = 50
CALLS = {1: 2_000}
CALLS_OF_LARGER_BATCHES = 200
SHORT = 20


def test_latency(
    benchmark, case: Case, artifacts: Artifacts, assessments: dict[str, Assessment], digits: np.ndarray, pytestconfig
) -> None:
    if case.artifact_id in artifacts.problems:
        pytest.fail(artifacts.problems[case.artifact_id].reason, pytrace=False)
    assessment = assessments[case.id]
    if assessment.status != "ok":
        pytest.fail(f"{assessment.status}: {assessment.reason}", pytrace=False)
    artifact, batch_size = artifacts.artifacts[case.artifact_id], case.scenario.batch_size
    benchmark.group = f"batch {batch_size}"
    benchmark.extra_info.update(extra_info(case, artifacts, assessment))
    calls = CALLS.get(batch_size, CALLS_OF_LARGER_BATCHES) // (SHORT if pytestconfig.getoption("crossrt_short") else 1)
    runtime = get_runtime(case.runtime)
    with runtime.prepare(artifact, case.scenario.session_options) as session, pinned(case.scenario.threads):
        feeds = {session.inputs[0].name: np.ascontiguousarray(digits[:batch_size])}
        answer = benchmark.pedantic(
            session.run, args=(feeds,), iterations=1, rounds=calls, warmup_rounds=min(WARMUP_CALLS, calls)
        )
    assert "tensorflow" not in sys.modules
    assert answer[artifact.outputs[0].name].shape == (batch_size, 10)


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Confines this process to the processor that `crossrt bench` pins its workers to."""
    cpu, before = pinned_cpu(threads), usable_cpus()
    os.sched_setaffinity(0, before if cpu is None else {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def extra_info(case: Case, artifacts: Artifacts, assessment: Assessment) -> dict[str, object]:
    """What a reader of the JSON wants to know beside the times; finite numbers and text only."""
    artifact, accuracy, memory = artifacts.artifacts[case.artifact_id], assessment.accuracy, assessment.memory
    assert accuracy is not None
    assert memory is not None
    how = artifact.quantization
    return {
        "case": case.id,
        "runtime": f"{case.runtime} {assessment.runtime_version}",
        "batch_size": case.scenario.batch_size,
        "threads": case.scenario.threads,
        "top1": accuracy.correct / accuracy.samples,
        "agreement_fp32": accuracy.agreement if accuracy.agreement is not None else "unknown",
        "size_bytes": artifact.size_bytes,
        "peak_memory_bytes": memory.peak_bytes,
        "quantization": {"scheme": "none"} if how is None else dataclasses.asdict(how),
        "artifact_sha256": artifact.sha256,
    }
