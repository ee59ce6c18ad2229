"""What pages show is what commands print: of saved reports, and of the tutorial's commands, which are run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from generator import samples  # noqa: E402 - the folder is no package of an installation

UPDATE = "python docs/generator/samples.py brings pages and picture up to date"
BLOCK = re.compile(r"<!-- (output: (?P<command>[^\n]*)|run) -->\n```\w*\n(?P<text>.*?)^```$", re.S | re.M)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIAL = ROOT / "docs" / "tutorial.md"
NUMBER = re.compile(r"[\d,]*\d(\.\d+)?")


def blocks(page: Path) -> list[tuple[str | None, str]]:
    """Commands and what a page shows of their outputs; None and the lines of what is run."""
    return [(match["command"], match["text"]) for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def reports():
    return samples.reports()


def test_outputs_of_saved_reports_are_what_is_printed_of_them(reports):
    shown = [(page, command, text) for page in PAGES for command, text in blocks(page) if command in reports]
    assert {command for _, command, _ in shown} == reports.keys()
    for page, command, text in shown:
        lost = samples.missing(text, samples.printed(reports[command]))
        assert lost is None, f"{page.name}, {command}: {lost!r} is not printed: {UPDATE}"


def test_the_picture_is_that_of_the_saved_report(reports):
    assert samples.PICTURE.read_text(encoding="utf-8") == samples.picture(reports["crossrt bench"]), UPDATE


def alike(shown: str, printed: str) -> bool:
    """True for the same words; numbers may differ by a hundredth, as other processors add in another order."""
    if NUMBER.sub("0", shown).split() != NUMBER.sub("0", printed).split():
        return False
    pairs = zip(NUMBER.finditer(shown), NUMBER.finditer(printed), strict=True)
    values = [[float(each[0].replace(",", "")) for each in pair] for pair in pairs]
    return all(abs(a - b) <= 0.01 * max(abs(a), abs(b)) for a, b in values)


def test_the_tutorial_does_what_it_says(tmp_path, reports):
    shutil.copytree(ROOT / "examples" / "own-onnx", tmp_path / "examples" / "own-onnx")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", "CROSSRT_CACHE_DIR": str(tmp_path / "cache")}
    environment.pop("GITHUB_ACTIONS", None)
    printed = {}
    for command, text in blocks(TUTORIAL):
        for line in text.splitlines() if command is None else ():
            done = subprocess.run(shlex.split(line), cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            printed[line] = done.stdout
        if command is not None and command not in reports:
            lines, shown = printed[command].splitlines(), text.splitlines()
            assert len(lines) == len(shown), f"{command}\n{printed[command]}"
            for line, said in zip(shown, lines, strict=True):
                assert alike(line.rstrip(), said.rstrip()), f"{command}: the page has {line!r}, the command {said!r}"
    assert len(printed) >= 4
