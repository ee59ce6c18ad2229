"""Outputs in pages: where the lines come from, whether a page shows them, and how a page is brought up to date.

`python docs/generator/outputs.py` brings pages and the picture of the README up to date, or those that it is given. A
line `...` in a block stands
for what was left out; each part between two of them is found again by its first and last line. A block without such a
line is the whole output.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from click.testing import CliRunner

from crossrt.cli.main import cli
from crossrt.reports.schema.files import read_report
from generator import history_runs, samples
from generator.blocks import LEFT_OUT, Block, blocks, pages
from generator.links import ROOT

UPDATE: Final = "python docs/generator/outputs.py brings pages and picture up to date"
RUN: Final = ("docs/tutorial.md", "docs/quantization.md", "docs/audit.md")
"""Pages whose commands are run, each in the folder that the page before left."""

_NUMBER: Final = re.compile(r"-?[\d,]*\d(\.\d+)?(e[+-]\d+)?")


class Outputs:
    """Lines by command.

    Args:
        folder: An empty folder to work in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._pages = folder / "samples", folder / "pages"
        self.folder.mkdir()
        shutil.copytree(ROOT / "examples" / "own-onnx", self._pages / "examples" / "own-onnx")
        self.files = {path.name for path in samples.unpack(self.folder)}
        self.saved = samples.printed_lines(self.folder)
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in {"GITHUB_ACTIONS", "CROSSRT_HISTORY"}},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": str(samples.WIDTH),
            "CROSSRT_CACHE_DIR": str(folder / "cache"),
        }

    def of_samples(self, block: Block) -> list[str] | None:
        """What a command prints whose result, or every file of which, is a sample; None for others."""
        if block.command in self.saved:
            return self.saved[block.command]
        words = shlex.split(block.command)
        if words[1] == "history" and not (self.folder / "results").exists():
            history_runs.write(self.folder)
            self._printed("crossrt history add results")
        if words[1] == "history" or self.files & set(words):
            return self._printed(block.command)
        return None

    def _printed(self, line: str) -> list[str]:
        """What a command prints in the folder of samples; in this process, as imports take longer than the command."""
        with chdir(self.folder):
            done = CliRunner(env={"COLUMNS": str(samples.WIDTH), "CROSSRT_HISTORY": None}).invoke(
                cli, shlex.split(line)[1:]
            )
        if not done.stdout:
            raise RuntimeError(f"{line}\n{done.output}{done.exception or ''}")
        return [each.rstrip() for each in done.stdout.splitlines()]

    def of_pages(self) -> Iterator[tuple[Block, list[str]]]:
        """Runs what pages ask for, and gives each block with the output of its command."""
        done = dict[str, list[str]]()
        for block in (each for name in RUN for each in blocks(ROOT / name)):
            if block.mark == "run" and block.language == "python":
                self._run(shlex.join([sys.executable, "-c", block.text]), self._pages)
            elif block.mark == "run":
                done |= {line: self._run(line, self._pages, fails=True) for line in block.text.splitlines()}
            elif block.mark.startswith("output") and self.of_samples(block) is None:
                if block.command not in done:
                    done[block.command] = self._run(block.command, self._pages)
                yield block, done[block.command]

    def _run(self, line: str, folder: Path, *, fails: bool = False) -> list[str]:
        """Both streams; the exit code of a command that finds something is not 0."""
        done = subprocess.run(
            shlex.split(line), cwd=folder, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode and (fails or not done.stdout):
            raise RuntimeError(f"{line}\n{done.stdout}{done.stderr}")
        return [each.rstrip() for each in done.stdout.splitlines()]


def shown(block: Block) -> list[str]:
    """Its lines, without the prompt that repeats the command."""
    lines = [line.rstrip() for line in block.text.splitlines()]
    return lines[1:] if lines[0] == f"$ {block.command}" else lines


def parts(lines: list[str]) -> list[list[str]]:
    """A block's lines, cut where some were left out."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line == LEFT_OUT:
            found.append([])
        else:
            found[-1].append(line)
    return [part for part in found if part]


def missing(block: Block, output: list[str], alike: Callable[[str, str], bool] = str.__eq__) -> str | None:
    """The first line of a block that an output has not, in the order of the block; None if all are there."""
    start = 0
    for part in parts(shown(block)):
        at = next(
            (i for i in range(start, len(output) - len(part) + 1) if all(map(alike, part, output[i : i + len(part)]))),
            None,
        )
        if at is None:
            return next((line for line in part if not any(alike(line, each) for each in output[start:])), part[0])
        start = at + len(part)
    return None


def nearly(line: str, printed: str) -> bool:
    """True for the same words; numbers may differ by a hundredth, as other processors add in another order."""
    if not same_words(line, printed):
        return False
    pairs = zip(_NUMBER.finditer(line), _NUMBER.finditer(printed), strict=True)
    values = [[float(each[0].replace(",", "")) for each in pair] for pair in pairs]
    return all(abs(a - b) <= 0.01 * max(abs(a), abs(b)) for a, b in values)


def same_words(line: str, printed: str) -> bool:
    """True for the same words, whatever the numbers and the bars of a drawing are."""
    return _words(line) == _words(printed)


def _words(line: str) -> list[str]:
    return re.sub(r"[ ▁▂▃▄▅▆▇█│|]{2,}|─+|={3,}|_{3,}", " ", _NUMBER.sub("0", line)).split()


def updated(block: Block, output: list[str]) -> str:
    """A block with the lines of an output in place of its own: all, or from where its parts begin to where they end."""
    old, start, lines = shown(block), 0, [f"$ {block.command}"] if block.text.startswith("$ ") else list[str]()
    if LEFT_OUT not in old:
        return "".join(f"{line}\n" for line in [*lines, *output])
    for part in parts(old):
        first = _first(part, output, start, block)
        last = _last(part, output, first, block)
        lines += [*([LEFT_OUT] if first > start else []), *output[first : last + 1]]
        start = last + 1
    return "".join(f"{line}\n" for line in [*lines, *([LEFT_OUT] if start < len(output) else [])])


def _first(part: list[str], output: list[str], start: int, block: Block) -> int:
    """Where a part begins: where most of its lines follow, of the places where a line is most like its first."""
    places = _places(part[0], output, start, block)
    return max(places, key=lambda place: sum(map(same_words, part, output[place:])))


def _last(part: list[str], output: list[str], first: int, block: Block) -> int:
    """Where a part ends: the place where it would be as long as it was, or the nearest to it."""
    places = _places(part[-1], output, first, block)
    return min(places, key=lambda place: abs(place - first - len(part) + 1))


def _places(line: str, output: list[str], start: int, block: Block) -> list[int]:
    """Where a line is; if nowhere, where its words are with other numbers, or where a line begins like it."""
    words = _words(line)
    ways: list[Callable[[str], bool]] = [
        lambda each: each == line,
        lambda each: _words(each) == words,
        *(lambda each, count=count: _words(each)[:count] == words[:count] for count in (3, 1)),
    ]
    for alike in ways:
        if places := [i for i in range(start, len(output)) if alike(output[i])]:
            return places
    raise LookupError(f"{block.place}: no line begins like {line!r}: choose by hand what the page shows")


def update(page: Path, texts: Mapping[int, str]) -> None:
    """Writes new texts of blocks, by the line of the fence."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    for block in reversed(blocks(page)):
        if block.line in texts:
            lines[block.line : block.line + block.text.count("\n")] = [texts[block.line]]
    page.write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Brings the pages and the picture up to date, or those that are named."""
    chosen = [Path(name).resolve() for name in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        outputs = Outputs(Path(folder))
        runs = not chosen or any(ROOT / name in chosen for name in RUN)
        found = {block.place: lines for block, lines in outputs.of_pages()} if runs else {}
        if not chosen or samples.PICTURE in chosen:
            report = read_report(outputs.folder / samples.PICTURED)
            samples.PICTURE.write_text(samples.picture(report), encoding="utf-8")
        for page in chosen or pages():
            texts = dict[int, str]()
            for block in (each for each in blocks(page) if each.mark.startswith("output")):
                lines = outputs.of_samples(block) or found[block.place]
                try:
                    texts[block.line] = updated(block, lines)
                except LookupError as error:
                    print(error, *lines, "", sep="\n", file=sys.stderr)
            if texts:
                update(page, texts)


if __name__ == "__main__":
    main()
