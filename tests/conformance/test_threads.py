"""`intra_op_threads` means the same everywhere: this many threads compute, the caller's among them."""

import subprocess
import sys
from pathlib import Path

from exporters.manifest import ARTIFACT_MANIFEST
from runtimes.protocol import SessionOptions

CHILD = Path(__file__).with_name("count_threads.py")


def threads_added(runtime_name, artifact, threads):
    manifest = artifact.path.with_name(ARTIFACT_MANIFEST)
    command = [sys.executable, "-P", CHILD, runtime_name, manifest, str(threads)]
    return int(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)


def test_one_thread_is_the_callers(runtime_name, artifact):
    assert threads_added(runtime_name, artifact, 1) == 0


def test_three_threads_are_two_more_or_unsupported(runtime, runtime_name, artifact):
    reason = runtime.unsupported_reason(artifact, SessionOptions(intra_op_threads=3))
    if reason is None:
        assert threads_added(runtime_name, artifact, 3) >= 2
    else:
        assert "3" in reason
