"""Thread options mean the same everywhere: this many threads compute, the caller's among them, where they may."""
# ruff: noqa: ANN001, ANN003, ANN201, ARG001, D103
# mypy: ignore-errors

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crossrt.core.manifest import ARTIFACT_MANIFEST
from crossrt.runtimes.conformance.samples import default_options

CHILD = Path(__file__).with_name("list_threads.py")
HANDS_CALLS_OVER = frozenset(("keras",))
"""Runtimes whose calls one of their own threads computes while the caller's waits."""

N = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Seen:
    """At each of some looks while a session ran, the processors that each thread of its process could use.

    Attributes:
        added: Of the threads that the session added.
        kept: Of the others.
        allowed: Of the process.
        computing: How many of the added ones ran meanwhile: others wait for work of another kind.
        unsupported: Why the session cannot be run with so many threads on so many processors; nothing else is known.
    """

    added: list[list[list[int]]] = field(default_factory=list)
    kept: list[list[list[int]]] = field(default_factory=list)
    allowed: list[int] = field(default_factory=list)
    computing: int = 0
    unsupported: str | None = None


def threads_of(runtime_name, artifact, processors=1, **options):
    """What was seen in a process that is started on the last processors, so many of them."""
    manifest = artifact.path.with_name(ARTIFACT_MANIFEST)
    command = [sys.executable, "-P", CHILD, runtime_name, manifest, json.dumps(options)]
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(usable)[-processors:])
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    finally:
        os.sched_setaffinity(0, usable)
    return Seen(**json.loads(ended.stdout))


def test_one_thread_is_the_callers(child_process, runtime_name, artifact):
    seen = threads_of(runtime_name, artifact, intra_op_threads=1, inter_op_threads=1)
    assert seen.added
    assert seen.computing == (1 if runtime_name in HANDS_CALLS_OVER else 0)


@pytest.mark.parametrize("option", ["intra_op_threads", "inter_op_threads"])
def test_three_threads_are_two_more_or_unsupported(child_process, runtime, runtime_name, artifact, option):
    reason = runtime.unsupported_reason(artifact, default_options(artifact, **{option: 3}))
    if reason is None:
        seen = threads_of(runtime_name, artifact, min(3, N), **{option: 3})
        assert min(map(len, seen.added)) >= 2
    else:
        assert option in reason
        assert "3" in reason


@pytest.mark.parametrize(("threads", "processors"), sorted({(1, 1), (2, 1), (2, min(2, N)), (N, N)}))
def test_so_many_threads_run_where_the_process_may(child_process, runtime_name, artifact, threads, processors):
    seen = threads_of(runtime_name, artifact, processors, intra_op_threads=threads)
    if seen.unsupported is not None:
        assert "intra_op_threads" in seen.unsupported
        assert str(threads) in seen.unsupported
        return
    assert seen.allowed == sorted(os.sched_getaffinity(0))[-processors:]
    assert all(len(added) >= threads - 1 for added in seen.added)
    assert seen.computing <= threads - (0 if runtime_name in HANDS_CALLS_OVER else 1)
    assert all(each == seen.allowed for look in (*seen.added, *seen.kept) for each in look)
