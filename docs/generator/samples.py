"""Saved reports of real runs, and what crossrt prints of them.

`python docs/generator/samples.py` brings pages up to date: each block below `<!-- output: COMMAND -->` where a report
in docs/samples was made by that command. A line `...` stands for what was left out; each part between two of them is
found again by its first and last line.
"""

from __future__ import annotations

import io
import lzma
import re
from pathlib import Path
from typing import Final

from rich.terminal_theme import MONOKAI
from rich.text import Text

from crossrt.reports.schema.files import decode_report
from crossrt.reports.schema.records import Report
from crossrt.reports.tables.terminal import print_report
from crossrt.reports.text.consoles import GuardedConsole
from crossrt.reports.verdicts.choice.closing import print_closing

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "samples"
PICTURE: Final = ROOT / "docs" / "terminal.svg"
LEFT_OUT: Final = "..."
WIDTH: Final = 100

_BLOCK: Final = re.compile(
    r"(?<=<!-- output: )(?P<command>[^\n]*)(?P<mark> -->\n```\w*\n)(?P<shown>.*?)(?=^```$)", re.S | re.M
)
_PICTURED: Final = ("model ", "Size and accuracy", "Batch 1, 1 thread: latency", "Batch 1, 1 thread: int8-dynamic")
"""How the first lines of the parts begin that the picture shows; each ends before an empty line or a note."""
_OF_THEN: Final = "run "
"""How the line begins that the picture leaves out: the date and version of a run that no reader can look up."""


def reports() -> dict[str, Report]:
    """Reports by the command that made them."""
    found = [decode_report(lzma.decompress(path.read_bytes()), path.name) for path in sorted(FOLDER.glob("*.json.xz"))]
    return {" ".join(each.run.command): each for each in found}


def printed(report: Report, *, styled: bool = False) -> list[str]:
    """The lines that `crossrt bench` and `crossrt show` print of a report; with escape sequences where `styled`."""
    console = GuardedConsole(
        file=io.StringIO(), width=WIDTH, record=True, force_terminal=True, color_system="256", highlight=False
    )
    print_report(report, console, most_notes=None)
    print_closing(report, console)
    console.print(f"report: results/{report.run.id}/report.json")
    return [line.rstrip() for line in console.export_text(styles=styled).splitlines()]


def parts(shown: str) -> list[list[str]]:
    """A block's lines, cut where some were left out."""
    found: list[list[str]] = [[]]
    for line in shown.splitlines():
        if line == LEFT_OUT:
            found.append([])
        else:
            found[-1].append(line)
    return [part for part in found if part]


def missing(shown: str, output: list[str]) -> str | None:
    """The first line of a block that an output has not, in the order of the block; None if all are there."""
    start = 0
    for part in parts(shown):
        at = next((i for i in range(start, len(output)) if output[i : i + len(part)] == part), None)
        if at is None:
            return next((line for line in part if line not in output[start:]), part[0])
        start = at + len(part)
    return None


def updated(shown: str, output: list[str]) -> str:
    """A block with the lines of an output in place of its own, where first and last lines are found again."""
    starts, lines = 0, list[str]()
    for part in parts(shown):
        first = _place(part[0], output, starts)
        last = _place(part[-1], output, first)
        lines += [*([LEFT_OUT] if lines else []), *output[first : last + 1]]
        starts = last + 1
    return "".join(f"{line}\n" for line in lines)


def _place(line: str, output: list[str], start: int) -> int:
    """Where a line is, or one that begins with the same words."""
    words = line.split()[:3]
    places = [i for i in range(start, len(output)) if output[i] == line or output[i].split()[: len(words)] == words]
    if not places:
        raise SystemExit(f"no line begins like {line!r}: choose by hand what the page shows")
    return places[0]


def picture(report: Report) -> str:
    """SVG of a terminal that shows parts of what a command printed; fonts are those of the reader."""
    plain, lines = printed(report), printed(report, styled=True)
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


def write() -> None:
    """Writes the picture, and brings the blocks of all pages up to date."""
    found = reports()
    PICTURE.write_text(picture(found["crossrt bench"]), encoding="utf-8")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")

        def replace(match: re.Match[str]) -> str:
            report = found.get(match["command"])
            shown = match["shown"] if report is None else updated(match["shown"], printed(report))
            return f"{match['command']}{match['mark']}{shown}"

        page.write_text(_BLOCK.sub(replace, text), encoding="utf-8")


if __name__ == "__main__":
    write()
