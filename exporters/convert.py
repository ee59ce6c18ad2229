"""Asks plug-ins about models, and lets one turn a model into ONNX: `python -m crossrt.exporters.convert`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossrt.core.events import EventStream, read_job
from crossrt.core.user_code import prepare_process, take_stdin
from crossrt.exporters.plugins import claiming_source, convert_with_source


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertJob:
    """What to convert.

    Attributes:
        path: The model.
        plugin: What converts it, or None to ask which one claims it.
        out: The ONNX file to write, or None.
        memory_limit_bytes: Private memory of this process.
        sys_path: Where the starting process looks for modules.
    """

    path: str
    plugin: str | None
    out: str | None
    memory_limit_bytes: int
    sys_path: Sequence[str]


def _convert(job: ConvertJob, events: EventStream) -> None:
    if job.plugin is None or job.out is None:
        events.send("claimed", plugin=claiming_source(Path(job.path)))
    else:
        convert_with_source(job.plugin, Path(job.path), Path(job.out))


def main() -> int:
    """Reads a job and does it."""
    events = EventStream.take_stdout()
    job = read_job(sys.stdin, ConvertJob)
    take_stdin()
    prepare_process(job.sys_path, job.memory_limit_bytes)
    events.send("started")
    return events.guard(lambda: _convert(job, events))


if __name__ == "__main__":
    sys.exit(main())
