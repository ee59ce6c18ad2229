"""Turns a model of a plug-in's kind into ONNX in a process of its own: `python -m crossrt.exporters.convert`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from crossrt.core.events import EventStream, read_job
from crossrt.core.plugins import load_plugin
from crossrt.exporters.errors import ExportError
from crossrt.exporters.plugins import SOURCES, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertJob:
    """What to convert: a model at `path`, by the plug-in of this name, to an ONNX file at `out`."""

    path: str
    plugin: str
    out: str


def convert(job: ConvertJob) -> None:
    """Writes the ONNX file.

    Raises:
        ExportError: The plug-in wrote no file.
    """
    source: Source = load_plugin(SOURCES, job.plugin)
    source.to_onnx(Path(job.path), Path(job.out))
    if not Path(job.out).is_file():
        raise ExportError(f"the source {job.plugin!r} wrote no ONNX file for {job.path}")


def main() -> int:
    """Reads a job and converts its model."""
    events = EventStream.take_stdout()
    return events.guard(lambda: convert(read_job(sys.stdin, ConvertJob)))


if __name__ == "__main__":
    sys.exit(main())
