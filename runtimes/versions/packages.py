"""What a version of a runtime is installed from, and whether it can be imported then."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crossrt.runtimes.errors import VersionRefusedError
from crossrt.runtimes.registry import SHIPPED
from crossrt.runtimes.versions.commands import run

VERSIONED: Final = ("ort-cpu", "tflite", "openvino")
"""The runtimes that run with numpy and one package, so that an environment of their own is all that they need."""

OTHER_PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {"tflite": ("tflite-runtime",)}
"""Names under which older versions were published, the newest first."""

BEFORE_NUMPY_2: Final = frozenset({"tflite-runtime"})
"""Packages that were given up before numpy 2 and do not say so: they are imported with it, and fail on a model."""

_SUBMODULES: Final[Mapping[str, str]] = {"tflite": ".interpreter"}
_OLD_NUMPY: Final = "compiled using NumPy 1.x"
"""What numpy 2 prints of a module that was built before it; some are imported all the same, and crash later."""

_IMPORT_TIMEOUT_S: Final = 120
_IMPORT: Final = """
import importlib, sys
sys.modules["openvino_telemetry"] = None  # importing openvino would send an event
importlib.import_module("numpy")
importlib.import_module(sys.argv[1])
"""


def packages_of(runtime: str) -> tuple[str, ...]:
    """The packages that a runtime is installed from, the first that has the version counts.

    Raises:
        VersionRefusedError: Only its installed version can be run, as that of every plug-in.
    """
    if runtime not in VERSIONED:
        raise VersionRefusedError(
            f"a version of {runtime!r} cannot be asked for: that is possible for {', '.join(VERSIONED)}; of other"
            f" runtimes the installed version is run: name it {runtime}"
        )
    return (SHIPPED[runtime].package, *OTHER_PACKAGES.get(runtime, ()))


def import_problem(python: Path, runtime: str, package: str) -> str | None:
    """Why a runtime cannot be imported in an environment, in its own words, or None where it can."""
    module = package.replace("-", "_") + _SUBMODULES.get(runtime, "")
    try:
        done = run(
            [python, "-I", "-c", _IMPORT, module],
            timeout_s=_IMPORT_TIMEOUT_S,
            env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},
        )
    except subprocess.TimeoutExpired:
        return f"importing it takes longer than {_IMPORT_TIMEOUT_S} s"
    if done.returncode == 0 and _OLD_NUMPY not in done.stderr:
        return None
    return done.stderr.strip() or f"exit status {done.returncode}"
