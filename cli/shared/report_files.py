"""Report files as options of commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crossrt.harness.run.saved_runs import is_word, report_in


class ReportsPath(click.Path):
    """A report file, a folder that holds any number of them, `latest` or `previous`; it has to be there."""

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path itself, or that of the run that a word stands for."""
        found = report_in(Path(value)) if is_word(value) else value
        return super().convert(found, param, ctx)
