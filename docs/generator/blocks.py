"""Blocks of code and output in pages, and the comments that say how each is tested.

A block of `sh`, `python`, `toml`, `yaml` or `json` is read as what it is. Any other has a comment on the line before:

- `<!-- output: COMMAND -->`: what COMMAND prints, of a saved report or in a run; tests/site compares it.
- `<!-- from: FILE -->` or `<!-- from: FILE: COMMAND -->`: the test below tests/ that compares it, or the script in
  tests/benchmarks that measures it, as the results are times, or take minutes or downloads.
- `<!-- formula -->` and `<!-- drawing -->`: nothing that a command prints.

`<!-- run -->` above shell or Python lines has tests/site run them, in the order of the page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generator.links import ROOT

LANGUAGES: Final = ("sh", "python", "toml", "yaml", "json")
"""Of blocks that are read as what they are."""
LEFT_OUT: Final = "..."

_BLOCK: Final = re.compile(
    r"(?:^ *<!-- (?P<mark>[^\n]*?) -->\n)?^(?P<margin> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^ *```$", re.S | re.M
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block.

    Attributes:
        page: The file that it stands in.
        line: Of its first fence, from 1.
        language: As the page names it; often nothing.
        mark: The kind in the comment above it; empty where there is none.
        said: What the comment says behind the kind.
        text: Its lines.
    """

    page: Path
    line: int
    language: str
    mark: str
    said: str
    text: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def command(self) -> str:
        """The command whose output it shows."""
        return self.said.partition(": ")[2] if self.mark == "from" else self.said

    @property
    def source(self) -> str:
        """The file that compares or measures it."""
        return self.said.partition(": ")[0]


def pages() -> list[Path]:
    """Every page that people read."""
    names = ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY", "CODE_OF_CONDUCT")
    return [
        *(ROOT / f"{name}.md" for name in names),
        *(
            page
            for folder in ("docs", "examples", "skills", ".github")
            for page in sorted((ROOT / folder).rglob("*.md"))
        ),
        ROOT / "llms.txt",
    ]


def blocks(page: Path) -> list[Block]:
    """Those of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        mark, _, said = (match["mark"] or "").partition(": ")
        line = text.count("\n", 0, match.start("margin")) + 1
        shown = "".join(each.removeprefix(match["margin"]) for each in match["text"].splitlines(keepends=True))
        found.append(Block(page=page, line=line, language=match["language"].strip(), mark=mark, said=said, text=shown))
    return found


def all_blocks() -> list[Block]:
    """Those of all pages."""
    return [each for page in pages() for each in blocks(page)]
