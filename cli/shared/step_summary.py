"""The summary of a GitHub job."""

from __future__ import annotations

import os
from pathlib import Path

import click

VARIABLE = "GITHUB_STEP_SUMMARY"


def add_to_step_summary(markdown: str) -> None:
    """Adds to the summary where there is one; what becomes of it changes no verdict."""
    if not (path := os.environ.get(VARIABLE)):
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(markdown)
    except OSError as error:
        click.echo(f"crossrt: the summary {path} cannot be written: {error.strerror}", err=True)
