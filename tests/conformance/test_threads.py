"""Thread options mean the same everywhere: this many threads compute, the caller's among them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.core.manifest import ARTIFACT_MANIFEST
from crossrt.runtimes.protocol import SessionOptions

CHILD = Path(__file__).with_name("count_threads.py")


def threads_added(runtime_name, artifact, **options):
    manifest = artifact.path.with_name(ARTIFACT_MANIFEST)
    command = [sys.executable, "-P", CHILD, runtime_name, manifest, json.dumps(options)]
    return int(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)


def test_one_thread_is_the_callers(runtime_name, artifact):
    assert threads_added(runtime_name, artifact, intra_op_threads=1, inter_op_threads=1) == 0


@pytest.mark.parametrize("option", ["intra_op_threads", "inter_op_threads"])
def test_three_threads_are_two_more_or_unsupported(runtime, runtime_name, artifact, option):
    reason = runtime.unsupported_reason(artifact, SessionOptions(**{option: 3}))
    if reason is None:
        assert threads_added(runtime_name, artifact, **{option: 3}) >= 2
    else:
        assert option in reason
        assert "3" in reason
