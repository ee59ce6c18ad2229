"""Child of test_threads: prints how many threads a session of MANIFEST with OPTIONS adds to this process."""

import json
import sys
from pathlib import Path

import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime


def thread_count():
    return len(list(Path("/proc/self/task").iterdir()))


runtime_name, manifest, options = sys.argv[1:]
runtime, artifact = get_runtime(runtime_name), read_manifest(Path(manifest), ModelArtifact)
before = thread_count()
with runtime.prepare(artifact, SessionOptions(**json.loads(options))) as session:
    session.run({spec.name: np.zeros(spec.shape, spec.dtype) for spec in session.inputs})
    print(thread_count() - before)
