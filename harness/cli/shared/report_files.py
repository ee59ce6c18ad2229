"""Report files as the user names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

NAMES: Final = ("report.json", "duel.json")
RESULTS: Final = Path("results")
"""Where runs are written unless the user says otherwise."""

_AGO: Final = {"latest": 1, "previous": 2}


class ReportsPath(click.Path):
    """A report file, a folder that holds any number of them, `latest` or `previous`; it has to be there."""

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path itself, or that of the run that a word stands for."""
        found = report_in(Path(value)) if str(value) in _AGO else value
        return super().convert(found, param, ctx)


def report_in(path: Path, names: tuple[str, ...] = NAMES[:1]) -> Path:
    """A file, the report in a run's folder, or that of a folder's only run; of many runs one has to be named.

    `latest` and `previous` are the newest run in `results`, and the one before it, where nothing else is called so.

    Args:
        path: What the user named.
        names: Names of the files that count as runs of `results`; in a folder that is named, an A/B comparison is
            found as well, so that it can be said what it is.
    """
    if str(path) in _AGO and not path.exists():
        return _of_results(str(path), names)
    if not path.is_dir():
        return path
    runs = _runs(path, NAMES)
    here = [path / name for name in NAMES if (path / name).is_file()]
    if len(runs) == 1 and not here:
        return report_in(runs[0])
    if runs and not here:
        newest = "\n  ".join(map(str, runs[-5:]))
        raise click.UsageError(f"{path} holds {len(runs)} runs: name one of them; the newest are\n  {newest}")
    return here[0] if here else path / NAMES[0]


def _runs(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Folders of runs, the oldest first: their names begin with the time."""
    return sorted({found.parent for name in names for found in folder.glob(f"*/{name}")})


def _of_results(word: str, names: tuple[str, ...]) -> Path:
    runs, ago = _runs(RESULTS, names), _AGO[word]
    if len(runs) < ago:
        raise click.UsageError(
            f"{word} is the {'newest run' if ago == 1 else 'run before the newest'} in {RESULTS.resolve()}, which holds"
            f" {len(runs)}: name a report.json or the folder that holds one"
        )
    return report_in(runs[-ago])
