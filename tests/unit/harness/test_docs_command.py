"""`crossrt docs`: the pages in the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner

from crossrt.cli.main import cli

PAGES = Path(__file__).parents[3] / "docs"


def test_pages_are_listed_with_their_titles():
    printed = CliRunner().invoke(cli, ["docs"]).output
    assert all(page.stem in printed for page in PAGES.glob("*.md"))
    assert "Tutorial: your own model, from zero to a gate" in printed


def test_a_page_is_laid_out_and_a_program_gets_its_text():
    assert "crossrt inspect own.onnx" in CliRunner().invoke(cli, ["docs", "tutorial"]).output
    lines = json.loads(CliRunner().invoke(cli, ["docs", "tutorial.md", "--json"]).output)["lines"]
    assert "\n".join(lines).strip() == (PAGES / "tutorial.md").read_text(encoding="utf-8").strip()


def test_lines_of_output_stay_whole_however_narrow_the_terminal():
    page = (PAGES / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = {line.rstrip() for block in blocks for line in block.splitlines()}
    printed = CliRunner(env={"COLUMNS": "60"}).invoke(cli, ["docs", "tutorial"]).output.splitlines()
    assert max(map(len, lines)) > 100
    assert lines <= {line.rstrip() for line in printed}


def test_a_page_that_is_not_there_is_an_error_with_the_nearest_name():
    done = CliRunner().invoke(cli, ["docs", "tutoral"])
    assert done.exit_code == 2
    assert "did you mean 'tutorial'?" in done.output
