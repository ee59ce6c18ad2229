"""Workers in another Python environment, which has numpy and a runtime but not crossrt."""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

import crossrt
from crossrt.harness.errors import HarnessError

OLDEST = (3, 11)
_LOG = logging.getLogger("crossrt.processes")
_PROBE = """
import importlib.metadata, json, platform, sys
found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
found["version"] = sys.version_info[:2]
found["packages"] = {}
for each in importlib.metadata.distributions():
    found["packages"].setdefault(each.metadata["Name"], each.version)  # the first is what is imported
try:
    import numpy
except ImportError as error:
    found["problem"] = str(error)
print(json.dumps(found))
"""
_PROBE_TIMEOUT_S = 60
_MOST_OUTPUT_BYTES = 2**20


class _Found(msgspec.Struct, frozen=True):
    """What an interpreter says of itself; `problem` is why numpy cannot be imported."""

    python: str
    version: tuple[int, int]
    packages: dict[str, str]
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPython:
    """An interpreter of another environment.

    Attributes:
        path: The interpreter.
        name: Implementation and version.
        packages: Versions of what is installed there.
        sources: A folder that lends it the package crossrt, and nothing else of this environment.
        is_isolated: Whether nothing else may be found there, what PYTHONPATH names included.
    """

    path: Path
    name: str
    packages: Mapping[str, str]
    sources: Path
    is_isolated: bool = False

    @property
    def variables(self) -> dict[str, str]:
        """What the worker's environment needs beside the usual."""
        inherited = None if self.is_isolated else os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": f"{self.sources}{os.pathsep}{inherited}" if inherited else str(self.sources)}


def open_python(path: Path, folder: Path, *, is_isolated: bool = False) -> ForeignPython:
    """Looks at another environment's Python and lends it what a worker needs.

    Args:
        path: The interpreter, or the folder of a virtual environment.
        folder: Where links to crossrt's packages are made.
        is_isolated: Whether a worker there finds nothing that PYTHONPATH names.

    Raises:
        HarnessError: It is not a Python, too old, or has no numpy.
    """
    interpreter = path / "bin" / "python" if path.is_dir() else path
    found = _probe(interpreter)
    if found.version < OLDEST:
        raise HarnessError(f"{interpreter} is {found.python}: a worker needs Python 3.11 or newer")
    if found.problem is not None:
        raise HarnessError(f"{interpreter} has no usable numpy ({found.problem}): {interpreter} -m pip install numpy")
    sources = folder / "crossrt-sources"
    sources.mkdir(exist_ok=True)
    link = sources / crossrt.__name__
    if not link.exists():
        link.symlink_to(Path(str(crossrt.__file__)).parent)
    return ForeignPython(
        path=interpreter.absolute(),
        name=found.python,
        packages=found.packages,
        sources=sources,
        is_isolated=is_isolated,
    )


def _probe(interpreter: Path) -> _Found:
    try:
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            _LOG.debug("process runs %s, which is asked for its packages", interpreter)
            done = subprocess.run(
                [interpreter, "-I", "-c", _PROBE],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                timeout=_PROBE_TIMEOUT_S,
                check=False,
                preexec_fn=_limit_output,
            )
            _LOG.debug("process of %s has ended, exit status %d", interpreter, done.returncode)
            said, complaint = _text(output), _text(errors)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"{interpreter} cannot be started as a Python interpreter: {error}") from error
    try:
        return msgspec.json.decode(said, type=_Found)
    except msgspec.MsgspecError as error:
        raise HarnessError(f"{interpreter} is not Python 3.11 or newer: {_last_words(complaint or said)}") from error


def _last_words(said: str) -> str:
    """The last line of what another program said; one that repeats the question says nothing."""
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    return "it does not run Python code" if _PROBE.split(maxsplit=2)[1].strip(",") in last else last[:200]


def _limit_output() -> None:
    """Ends a program that prints without end; runs in the child."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_OUTPUT_BYTES, _MOST_OUTPUT_BYTES))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST_OUTPUT_BYTES).decode(errors="replace")
