"""Thread options mean the same everywhere: this many threads compute, the caller's among them, where they may."""
# ruff: noqa: ANN001, ANN003, ANN201, ARG001, D103
# mypy: ignore-errors

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from crossrt.core.manifest import ARTIFACT_MANIFEST
from crossrt.runtimes.conformance.samples import default_options

CHILD = Path(__file__).with_name("list_threads.py")
N = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Seen:
    """At each of some looks while a session ran, the processors that each thread of its process could use.

    Attributes:
        added: Of the threads that the session added.
        kept: Of the others.
        allowed: Of the process.
    """

    added: list[list[list[int]]]
    kept: list[list[list[int]]]
    allowed: list[int]


def threads_of(runtime_name, artifact, processors=1, **options):
    """What was seen in a process that is started on the last processors, so many of them."""
    manifest = artifact.path.with_name(ARTIFACT_MANIFEST)
    command = [sys.executable, "-P", CHILD, runtime_name, manifest, json.dumps(options)]
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(usable)[-processors:])
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    finally:
        os.sched_setaffinity(0, usable)
    return Seen(**json.loads(ended.stdout))


def test_one_thread_is_the_callers(child_process, runtime_name, artifact):
    seen = threads_of(runtime_name, artifact, intra_op_threads=1, inter_op_threads=1)
    assert seen.added == [[]] * len(seen.added)
    assert seen.added


@pytest.mark.parametrize("option", ["intra_op_threads", "inter_op_threads"])
def test_three_threads_are_two_more_or_unsupported(child_process, runtime, runtime_name, artifact, option):
    reason = runtime.unsupported_reason(artifact, default_options(artifact, **{option: 3}))
    if reason is None:
        assert min(map(len, threads_of(runtime_name, artifact, **{option: 3}).added)) >= 2
    else:
        assert option in reason
        assert "3" in reason


@pytest.mark.parametrize(("threads", "processors"), sorted({(1, 1), (2, 1), (2, min(2, N)), (N, N)}))
def test_so_many_threads_run_where_the_process_may(child_process, runtime, runtime_name, artifact, threads, processors):
    if runtime.unsupported_reason(artifact, default_options(artifact, intra_op_threads=threads)) is not None:
        return  # what it must say is tested above
    seen = threads_of(runtime_name, artifact, processors, intra_op_threads=threads)
    assert seen.allowed == sorted(os.sched_getaffinity(0))[-processors:]
    assert {len(added) for added in seen.added} == {threads - 1}
    assert all(each == seen.allowed for look in (*seen.added, *seen.kept) for each in look)
