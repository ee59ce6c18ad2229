"""A process of its own that looks at a file: what it says, or why it could not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from crossrt.core.memory import BUILDING_BYTES, memory_limit
from crossrt.exporters.errors import ExportError
from crossrt.harness.errors import ChildFailedError, NoAnswerError
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.packages import QUIET, READING, check_packages

TIMEOUT_S: Final = 600.0


def ask_about(
    name: str,
    module: str,
    job: Mapping[str, Any],
    answer: str,
    packages: Sequence[str] = READING,
    timeout_s: float = TIMEOUT_S,
) -> Mapping[str, Any]:
    """Lets a process of its own look at a file, and returns its one answer.

    Args:
        name: What messages call the file.
        module: What the process runs.
        job: What it reads; its `folder` is where it may leave files.
        answer: The event that holds the answer.
        packages: What it needs.
        timeout_s: How long it may take.

    Raises:
        HarnessError: Packages for it are missing.
        ExportError: The file cannot be looked at, or the process crashed or hung on it.
    """
    check_packages(module.split(".")[1], packages)
    try:
        limit = memory_limit(_files_of(job), BUILDING_BYTES)
        with ChildProcess(module, variables={**QUIET, "TMPDIR": str(job["folder"])}, memory_limit_bytes=limit) as child:
            child.send(job)
            event = child.receive(timeout_s)
    except NoAnswerError as failure:
        raise ExportError(f"{name}: {failure.reason}; give it more time with --timeout") from failure
    except ChildFailedError as failure:
        raise ExportError(f"{name}: {failure.reason}") from failure
    if event["event"] != answer:
        reason = str(event["reason"])
        raise ExportError(reason if reason.startswith(name) else f"{name}: {reason}")
    return event


def _files_of(job: Mapping[str, Any]) -> list[Path]:
    """The model files that a job names, at any depth."""
    found = []
    for key, value in job.items():
        if isinstance(value, Mapping):
            found += _files_of(value)
        elif key.endswith("path") and isinstance(value, str) and Path(value).is_file():
            found.append(Path(value))
    return found
