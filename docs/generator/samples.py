"""Saved results of real runs, and what crossrt prints of them."""

from __future__ import annotations

import io
import lzma
import re
import shlex
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from crossrt.analysis.search.tables import notes_of, print_found
from crossrt.harness.search.ledger import read_search_file
from crossrt.reports.schema.files import is_duel, read_duel, read_report
from crossrt.reports.schema.records import Report
from crossrt.reports.tables.duel_text import print_duel
from crossrt.reports.tables.terminal import print_report
from crossrt.reports.text.consoles import GuardedConsole
from crossrt.reports.verdicts.choice.closing import print_closing
from generator.blocks import LEFT_OUT
from generator.links import ROOT

FOLDER: Final = ROOT / "docs" / "samples"
PICTURE: Final = ROOT / "docs" / "terminal.svg"
PICTURED: Final = "runtimes.json"
"""The sample that the picture shows."""
WIDTH: Final = 100
SEARCH: Final = (
    "crossrt search faulty.onnx --data test.npz --calibration train.npz --max-drop 0.5pp --time 4m --out found"
)
"""The command of search.json, which does not hold it."""

_PICTURED: Final = ("model ", "Size and accuracy", "Batch 1, 1 thread: latency", "Batch 1, 1 thread: int8")
"""How the first lines of the parts begin that the picture shows; each ends before an empty line or a note."""
_OF_THEN: Final = "run "
"""How the line begins that the picture leaves out: the date and version of a run that no reader can look up."""


def unpack(folder: Path) -> list[Path]:
    """Writes all samples into a folder, without the folders that they are in here."""
    paths = []
    for packed in sorted(FOLDER.rglob("*.xz")):
        paths.append(folder / packed.stem)
        paths[-1].write_bytes(lzma.decompress(packed.read_bytes()))
    return paths


def printed_lines(folder: Path) -> dict[str, list[str]]:
    """What each command printed whose result is a sample, by the command.

    Args:
        folder: Where the samples are unpacked.
    """
    found = dict[str, list[str]]()
    for path in sorted(folder.glob("*.json")):
        console = new_console()
        command = _print_result(path, console)
        found[command] = lines_of(console)
    return found


def new_console() -> GuardedConsole:
    """A terminal that keeps what is printed."""
    return GuardedConsole(
        file=io.StringIO(), width=WIDTH, record=True, force_terminal=True, color_system="256", highlight=False
    )


def lines_of(console: Console, *, styled: bool = False) -> list[str]:
    """What was printed, with escape sequences where `styled`."""
    return [line.rstrip() for line in console.export_text(styles=styled, clear=False).splitlines()]


def _print_result(path: Path, console: Console) -> str:
    """Prints what the command did that made the file, and returns the command."""
    if path.stem == "search":
        found = read_search_file(path)
        print_found(found, console, draws=True)
        for note in notes_of(found, Path("found")):
            console.print(note)
        return SEARCH
    if is_duel(path):
        duel = read_duel(path)
        print_duel(duel, console)
        console.print(f"\nduel: results/{duel.run.id}/duel.json")
        return shlex.join(duel.run.command)
    report = read_report(path)
    print_whole(report, console)
    return shlex.join(report.run.command)


def print_whole(report: Report, console: Console) -> None:
    """Prints what `crossrt bench` does at the end of a run."""
    print_report(report, console, most_notes=None)
    print_closing(report, console)
    console.print(f"report: results/{report.run.id}/report.json")


def picture(report: Report) -> str:
    """SVG of a terminal that shows parts of what a command printed; fonts are those of the reader."""
    seen = new_console()
    print_whole(report, seen)
    plain, lines = lines_of(seen), lines_of(seen, styled=True)
    console = GuardedConsole(
        file=io.StringIO(), width=WIDTH, record=True, force_terminal=True, color_system="truecolor"
    )
    console.print(Text.assemble(("$ ", "green"), (" ".join(report.run.command), "bold")))
    for number, beginning in enumerate(_PICTURED):
        first = next(i for i, line in enumerate(plain) if line.startswith(beginning))
        last = next((i for i in range(first, len(plain)) if not plain[i]), len(plain) - 1)
        if number:
            console.print(LEFT_OUT, style="dim")
        for place in range(first, last):
            if not plain[place].startswith(_OF_THEN):
                console.print(Text.from_ansi(lines[place]), soft_wrap=True)
    svg = console.export_svg(title="crossrt", theme=MONOKAI, unique_id="crossrt")
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.S)
