"""Report formats of other packages, each made by a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossrt.core.user_code import host_fields, time_limit_s
from crossrt.harness.process.scratch import scratch_folder
from crossrt.harness.process.user_code import START_S, UserCodeProcess, one_message
from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.registry import Output


def made_elsewhere(name: str, reports: Sequence[Path], out: Path | None) -> tuple[Output, bool]:
    """What a format makes of reports, and whether its results stand under commits.

    Raises:
        ReportError: It cannot hold them, fails, ends its process, or takes longer than it may.
    """
    limit_s = time_limit_s()
    with scratch_folder() as folder:
        job = {"name": name, "reports": [str(path) for path in reports], "out": None if out is None else str(out)}
        what, host = f"the format {name!r}", "crossrt.reports.exchange.host"
        with one_message(what, limit_s, ReportError), UserCodeProcess(host, what) as process:
            process.send({**job, "folder": str(folder), **host_fields()})
            process.receive(START_S)
            event = process.receive(limit_s)
        if event["event"] == "failed":
            raise ReportError(str(event["reason"]))
        parts = {key: (folder / str(number)).read_bytes() for number, key in enumerate(event["names"])}
    if event["kind"] == "files":
        return {key: part.decode() for key, part in parts.items()}, bool(event["names_commits"])
    (only,) = parts.values()
    return only.decode() if event["kind"] == "text" else only, bool(event["names_commits"])
