"""Report files as the user names them."""

from __future__ import annotations

from pathlib import Path

import click

NAMES = ("report.json", "duel.json")


def report_in(path: Path) -> Path:
    """A file, the report in a run's folder, or that of a folder's only run; of many runs one has to be named."""
    if not path.is_dir():
        return path
    runs = sorted({found.parent for name in NAMES for found in path.glob(f"*/{name}")})
    here = [path / name for name in NAMES if (path / name).is_file()]
    if len(runs) == 1 and not here:
        return report_in(runs[0])
    if runs and not here:
        newest = "\n  ".join(map(str, runs[-5:]))
        raise click.UsageError(f"{path} holds {len(runs)} runs: name one of them; the newest are\n  {newest}")
    return here[0] if here else path / NAMES[0]
