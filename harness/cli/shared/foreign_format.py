"""Report formats of other packages, each made by a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from crossrt.core.plugins import registered
from crossrt.core.user_code import more_time
from crossrt.harness.errors import ChildFailedError, NoAnswerError
from crossrt.harness.process.scratch import scratch_folder
from crossrt.harness.process.user_code import START_S, UserCodeProcess, memory_limit_bytes, time_limit_s
from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.registry import FORMATS, GROUP, Output


def is_foreign_format(name: str) -> bool:
    """Whether another package registers a format.

    Raises:
        PluginError: Two packages register one name.
    """
    return name not in FORMATS and name in registered(GROUP)


def made_elsewhere(name: str, reports: Sequence[Path], out: Path | None) -> tuple[Output, bool]:
    """What a format makes of reports, and whether its results stand under commits.

    Raises:
        ReportError: It cannot hold them, fails, ends its process, or takes longer than it may.
    """
    limit_s = time_limit_s()
    with scratch_folder() as folder:
        job = {
            "name": name,
            "reports": [str(path) for path in reports],
            "out": None if out is None else str(out),
            "folder": str(folder),
            "memory_limit_bytes": memory_limit_bytes(),
            "sys_path": sys.path,
        }
        try:
            with UserCodeProcess("crossrt.reports.exchange.host", f"the format {name!r}") as process:
                process.send(job)
                process.receive(START_S)
                event = process.receive(limit_s)
        except NoAnswerError as failure:
            raise ReportError(
                f"the format {name!r} was not done within {limit_s:g} s, so it was stopped; {more_time()}"
            ) from failure
        except ChildFailedError as failure:
            raise ReportError(f"the format {name!r} could not be run to its end: {failure.reason}") from failure
        if event["event"] == "failed":
            raise ReportError(str(event["reason"]))
        parts = {key: (Path(folder) / str(number)).read_bytes() for number, key in enumerate(event["names"])}
    if event["kind"] == "files":
        return {key: part.decode() for key, part in parts.items()}, bool(event["names_commits"])
    (only,) = parts.values()
    return only.decode() if event["kind"] == "text" else only, bool(event["names_commits"])
