"""Child of test_threads: where the threads may run that a session of MANIFEST with OPTIONS adds to this process.

The kernel is asked after every call, so that a thread which is started or moved late is seen.
"""

import json
import os
import sys
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.runtimes.conformance.samples import default_options, feeds_of
from crossrt.runtimes.registry import get_runtime

CALLS = 10


def threads() -> dict[int, list[int]]:
    """This process's threads, and the processors that each may use."""
    return {int(task.name): sorted(os.sched_getaffinity(int(task.name))) for task in Path("/proc/self/task").iterdir()}


def main(runtime_name: str, manifest: str, options: str) -> None:
    """Prints the processors of each thread that was there and that was added, at every look, and of the process."""
    runtime, artifact = get_runtime(runtime_name), read_manifest(Path(manifest), ModelArtifact)
    before, looks = threads(), []
    with runtime.prepare(artifact, default_options(artifact, **json.loads(options))) as session:
        feeds = feeds_of(artifact, session, 1)
        for _ in range(CALLS):
            session.run(feeds)
            looks.append(threads())
    added = [[each for thread, each in look.items() if thread not in before] for look in looks]
    kept = [[each for thread, each in look.items() if thread in before] for look in looks]
    print(json.dumps({"added": added, "kept": kept, "allowed": sorted(os.sched_getaffinity(0))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
