"""Thread options mean the same everywhere: this many threads compute, the caller's among them, where they may."""
# ruff: noqa: ANN001, ANN003, ANN201, ARG001, D103
# mypy: ignore-errors

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.core.manifest import ARTIFACT_MANIFEST
from crossrt.runtimes.conformance.samples import default_options

CHILD = Path(__file__).with_name("list_threads.py")


def threads_added(runtime_name, artifact, **options):
    """The processors that each thread which a session adds may run on, and those of the process."""
    manifest = artifact.path.with_name(ARTIFACT_MANIFEST)
    command = [sys.executable, "-P", CHILD, runtime_name, manifest, json.dumps(options)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(ended.stdout)
    return found["added"], found["allowed"]


def test_one_thread_is_the_callers(child_process, runtime_name, artifact):
    added, _ = threads_added(runtime_name, artifact, intra_op_threads=1, inter_op_threads=1)
    assert added == []


@pytest.mark.parametrize("option", ["intra_op_threads", "inter_op_threads"])
def test_three_threads_are_two_more_or_unsupported(child_process, runtime, runtime_name, artifact, option):
    reason = runtime.unsupported_reason(artifact, default_options(artifact, **{option: 3}))
    if reason is None:
        added, _ = threads_added(runtime_name, artifact, **{option: 3})
        assert len(added) >= 2
    else:
        assert option in reason
        assert "3" in reason


def test_threads_stay_on_the_processors_of_the_process(child_process, runtime, runtime_name, artifact):
    if runtime.unsupported_reason(artifact, default_options(artifact, intra_op_threads=3)) is None:
        added, allowed = threads_added(runtime_name, artifact, intra_op_threads=3)
        assert allowed == [max(os.sched_getaffinity(0))]
        assert added
        assert all(set(processors) <= set(allowed) for processors in added)
