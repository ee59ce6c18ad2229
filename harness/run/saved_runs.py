"""Saved runs as the user names them: a file, the folder of a run or of several, `latest` or `previous`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crossrt.harness.errors import HarnessError
from crossrt.reports.schema.folders import PACKED, kept_file

NAMES: Final = ("report.json", "duel.json")
RESULTS: Final = Path("results")
"""Where runs are written unless the user says otherwise."""

_AGO: Final = {"latest": 1, "previous": 2}


def is_word(name: Path | str) -> bool:
    """True of `latest` and `previous`."""
    return str(name) in _AGO


def report_in(path: Path, names: tuple[str, ...] = NAMES[:1], start: Path = Path()) -> Path:
    """A file, the report in a run's folder, or that of a folder's only run; of many runs one has to be named.

    In folders, a report may be packed by xz.

    `latest` and `previous` are the newest run in `results`, and the one before it, where nothing else is called so.

    Args:
        path: What the user named.
        names: Names of the files that count as runs of `results`; in a folder that is named, an A/B comparison is
            found as well, so that it can be said what it is.
        start: The folder in which the user named it.

    Raises:
        HarnessError: There is no such run, or several, or none in a folder.
    """
    if is_word(path) and not (start / path).exists():
        return _of_results(str(path), names, start)
    path = start / path
    if not path.is_dir():
        return path
    runs = _runs(path, NAMES)
    here = [found for name in NAMES if (found := kept_file(path, name)) is not None]
    if len(runs) == 1 and not here:
        return report_in(runs[0])
    if runs and not here:
        newest = "\n  ".join(map(str, runs[-5:]))
        raise HarnessError(f"{path} holds {len(runs)} runs: name one of them; the newest are\n  {newest}")
    if not here:
        raise HarnessError(f"{path} holds no {NAMES[0]}: name the folder of a run, or the file itself{_instead(path)}")
    return here[0]


def _instead(folder: Path) -> str:
    """What to do with a folder of another command."""
    kept = next((folder / name for name in ("search.json", "bisection.json") if (folder / name).is_file()), None)
    return "" if kept is None else f"; crossrt report {folder} --html PAGE shows the {kept.stem} in it"


def _runs(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Folders of runs, the oldest first: their names begin with the time."""
    return sorted({found.parent for name in names for end in ("", PACKED) for found in folder.glob(f"*/{name}{end}")})


def _of_results(word: str, names: tuple[str, ...], start: Path) -> Path:
    folder = start / RESULTS
    runs, ago = _runs(folder, names), _AGO[word]
    if len(runs) < ago:
        raise HarnessError(
            f"{word} is the {'newest run' if ago == 1 else 'run before the newest'} in {folder.resolve()}, which holds"
            f" {len(runs)} run{'' if len(runs) == 1 else 's'}: crossrt bench adds one; name a report.json or the folder"
            " of a run"
        )
    return report_in(runs[-ago])
