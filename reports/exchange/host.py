"""Runs a report format of another package in a process of its own: `python -m crossrt.reports.exchange.host`.

The job comes on standard input, events go to standard output; what the format makes is left in files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossrt.core.errors import CrossrtError
from crossrt.core.events import EventStream, read_job
from crossrt.core.parent import leaving_copies
from crossrt.core.user_code import line_of, prepare_process, take_stdin
from crossrt.reports.exchange.registry import Output, check_request, convert, format_named
from crossrt.reports.schema.files import read_report


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatJob:
    """What to make.

    Attributes:
        name: Name of the format.
        reports: Report files.
        out: Where it will lie, or None for standard output.
        folder: An empty folder for what is made.
        memory_limit_bytes: Private memory of this process.
        sys_path: Where the starting process looks for modules.
    """

    name: str
    reports: Sequence[str]
    out: str | None
    folder: str
    memory_limit_bytes: int
    sys_path: Sequence[str]


def _make(job: FormatJob, events: EventStream) -> None:
    check_request(job.name, len(job.reports), has_out=job.out is not None)
    reports = [read_report(Path(path)) for path in job.reports]
    with leaving_copies():
        output: Output = convert(job.name, reports, Path(job.out or "."))
    kind = _kind(output, job.name)
    parts = output if isinstance(output, Mapping) else {"output": output}
    for number, content in enumerate(parts.values()):
        raw = content.encode() if isinstance(content, str) else content
        (Path(job.folder) / str(number)).write_bytes(raw)
    events.send("made", kind=kind, names=list(parts), names_commits=format_named(job.name).names_commits)


def _kind(output: object, name: str) -> str:
    """What a format returned.

    Raises:
        CrossrtError: Nothing that could be written.
    """
    if isinstance(output, str | bytes):
        return "text" if isinstance(output, str) else "binary"
    if isinstance(output, Mapping) and all(isinstance(each, str) for pair in output.items() for each in pair):
        return "files"
    raise CrossrtError(
        f"the format {name!r} returned {type(output).__name__}; expected text, bytes, or the texts of files by name"
    )


def main() -> int:
    """Reads a job and does it."""
    events = EventStream.take_stdout()
    job = read_job(sys.stdin, FormatJob)
    take_stdin()
    prepare_process(job.sys_path, job.memory_limit_bytes)
    events.send("started")
    try:
        _make(job, events)
    except CrossrtError as error:
        events.send("failed", reason=str(error))
    except BaseException as error:  # whatever the code raises is an answer
        events.send("failed", reason=f"the format {job.name!r} failed: {type(error).__name__}: {error}{line_of(error)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
