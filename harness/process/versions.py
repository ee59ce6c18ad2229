"""A version of a runtime for this run: its environment, open to workers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crossrt.harness.errors import HarnessError
from crossrt.harness.locations import version_environments
from crossrt.harness.process.foreign_python import ForeignPython, open_python
from crossrt.harness.process.scratch import current_scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedVersion:
    """A version of a runtime.

    Attributes:
        name: What cases call it, such as `ort-cpu==1.29.0`.
        version: The version of its package.
        python: The Python that runs it.
    """

    name: str
    version: str
    python: ForeignPython


def opened_version(runtime: str, version: str, remark: Callable[[str], object]) -> OpenedVersion:
    """Opens the environment of a version, and makes it where there is none.

    Args:
        runtime: The runtime with its options.
        version: The version that is asked for.
        remark: Is told what takes long.

    Raises:
        VersionRefusedError: There is no such version, or none for this Python.
        EnvironmentFailedError: The environment cannot be made.
        HarnessError: Its Python does not run.
    """
    found = version_environments(remark).open(runtime, version)
    scratch = current_scratch()
    folder = scratch if scratch is not None else Path(tempfile.mkdtemp(prefix="crossrt-sources-"))
    try:
        python = open_python(found.python, folder, is_isolated=True)
    except HarnessError as error:
        raise HarnessError(
            f"the environment of {runtime} {version} is damaged: {error}; crossrt cache prune --environments --all"
            " removes it, and the next run makes it again"
        ) from error
    base, colon, options = runtime.partition(":")
    installed = found.manifest.version
    return OpenedVersion(name=f"{base}=={installed}{colon}{options}", version=installed, python=python)
