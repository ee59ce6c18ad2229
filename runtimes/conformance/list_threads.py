"""Child of test_threads: what becomes of the threads that a session of MANIFEST with OPTIONS adds to this process.

The kernel is asked after every call, so that a thread which is started or moved late is seen.
"""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.runtimes.conformance.samples import default_options, feeds_of
from crossrt.runtimes.registry import get_runtime

CALLS = 10
SETTLING_S = 0.05
MOST_SETTLING = 100
TASKS = Path("/proc/self/task")


def threads() -> dict[int, list[int]]:
    """This process's threads, and the processors that each may use."""
    return {int(task.name): sorted(os.sched_getaffinity(int(task.name))) for task in TASKS.iterdir()}


def run_times() -> dict[int, str]:
    """How long each thread has run, as the kernel counts it."""
    found = {}
    for task in TASKS.iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it may have ended
            found[int(task.name)] = (task / "schedstat").read_text()
    return found


def settled_run_times() -> dict[int, str]:
    """The run times once the other threads have nothing more to do."""
    found = run_times()
    for _ in range(MOST_SETTLING):
        time.sleep(SETTLING_S)
        before, found = found, run_times()
        if all(found[thread] == before.get(thread) for thread in found if thread != os.getpid()):
            break
    return found


def main(runtime_name: str, manifest: str, options: str) -> None:
    """Prints the processors of each thread that was there and that was added, at every look, and of the process.

    Also how many of the added ones ran while the session did; or why it cannot be run in this process.
    """
    runtime, artifact = get_runtime(runtime_name), read_manifest(Path(manifest), ModelArtifact)
    session_options = default_options(artifact, **json.loads(options))
    if (reason := runtime.unsupported_reason(artifact, session_options)) is not None:
        print(json.dumps({"unsupported": reason}))
        return
    before, looks = threads(), []
    with runtime.prepare(artifact, session_options) as session:
        feeds = feeds_of(artifact, session, session_options.batch_size)
        session.run(feeds)
        idle_since = settled_run_times()
        for _ in range(CALLS):
            session.run(feeds)
            looks.append(threads())
        ran = [thread for thread, each in run_times().items() if each != idle_since.get(thread)]
    added = [[each for thread, each in look.items() if thread not in before] for look in looks]
    kept = [[each for thread, each in look.items() if thread in before] for look in looks]
    computing = len([thread for thread in ran if thread not in before])
    allowed = sorted(os.sched_getaffinity(0))
    print(json.dumps({"added": added, "kept": kept, "allowed": allowed, "computing": computing}))


if __name__ == "__main__":
    main(*sys.argv[1:])
