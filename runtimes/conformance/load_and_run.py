"""Child of test_model_files: prepares FILE as the model of MANIFEST, runs a sample, and says how that went."""

import dataclasses
import sys
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.runtimes.conformance.samples import default_options, feeds_of
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.registry import get_runtime


def main(runtime_name: str, manifest: str, model_file: str) -> None:
    """Prints whether the file was answered or refused."""
    described = read_manifest(Path(manifest), ModelArtifact)
    artifact = dataclasses.replace(described, path=Path(model_file))
    options = default_options(described)
    try:
        with get_runtime(runtime_name).prepare(artifact, options) as session:
            session.run(feeds_of(described, session, options.batch_size))
    except ModelRefusedError as error:
        print(f"refused: {error}")
    else:
        print("answered")


if __name__ == "__main__":
    main(*sys.argv[1:])
