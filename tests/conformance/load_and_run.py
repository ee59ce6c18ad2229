"""Child of test_model_files: prepares FILE as the model of MANIFEST, runs zeros, and says how that went."""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

runtime_name, manifest, model_file = sys.argv[1:]
artifact = dataclasses.replace(read_manifest(Path(manifest), ModelArtifact), path=Path(model_file))
try:
    with get_runtime(runtime_name).prepare(artifact, SessionOptions()) as session:
        session.run({spec.name: np.zeros(spec.shape, spec.dtype) for spec in session.inputs})
except ModelRefusedError as error:
    print(f"refused: {error}")
else:
    print("answered")
