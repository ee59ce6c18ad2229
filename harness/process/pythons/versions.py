"""A version of a runtime for this run: its environment, open to workers."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crossrt.harness.errors import HarnessError
from crossrt.harness.locations import version_environments
from crossrt.harness.process.pythons.foreign import ForeignPython, open_python
from crossrt.harness.process.scratch import current_scratch
from crossrt.runtimes.selector import RuntimeSelector


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A version of a runtime.

    Attributes:
        selector: The runtime with the version of the installed package, such as `1.29.0` where `1.29` was asked for.
        python: The Python that runs it.
    """

    selector: RuntimeSelector
    python: ForeignPython


def open_version(selector: RuntimeSelector, remark: Callable[[str], object]) -> Opened:
    """Opens the environment of a version, and makes it where there is none.

    Args:
        selector: The runtime, with its version.
        remark: Is told what takes long.

    Raises:
        VersionRefusedError: There is no such version, or none for this Python.
        EnvironmentFailedError: The environment cannot be made.
        HarnessError: Its Python does not run.
    """
    assert selector.version is not None
    found = version_environments(remark).open(selector.name, selector.version)
    scratch = current_scratch()
    folder = scratch if scratch is not None else Path(tempfile.mkdtemp(prefix="crossrt-sources-"))
    try:
        python = open_python(found.python, folder, is_isolated=True)
    except HarnessError as error:
        raise HarnessError(
            f"the environment of {selector.base} is damaged ({error}): crossrt cache prune --environments --all removes"
            " it, and the next run makes it again"
        ) from error
    return Opened(selector=dataclasses.replace(selector, version=found.manifest.version), python=python)
