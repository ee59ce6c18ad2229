"""Child of test_threads: where the threads may run that a session of MANIFEST with OPTIONS adds to this process.

The process keeps to one processor from before the runtime is imported.
"""

import json
import os
import sys
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.runtimes.conformance.samples import default_options, feeds_of
from crossrt.runtimes.registry import get_runtime


def threads() -> set[int]:
    """Ids of this process's threads."""
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}


def main(runtime_name: str, manifest: str, options: str) -> None:
    """Prints the processors of each thread that was added, and those of the process."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    runtime, artifact = get_runtime(runtime_name), read_manifest(Path(manifest), ModelArtifact)
    before = threads()
    with runtime.prepare(artifact, default_options(artifact, **json.loads(options))) as session:
        session.run(feeds_of(artifact, session, 1))
        added = [sorted(os.sched_getaffinity(thread)) for thread in sorted(threads() - before)]
    print(json.dumps({"added": added, "allowed": sorted(os.sched_getaffinity(0))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
