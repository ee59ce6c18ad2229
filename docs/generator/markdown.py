"""Parts of Markdown that several generated pages need."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Final

_SECTION: Final = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):\n((?: {4}.*\n?|\n)+)", re.MULTILINE)
_ENTRY: Final = re.compile(r"^(\*{0,2}[\w.]+): (.*(?:\n {4,}.*)*)", re.MULTILINE)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold any text of one line."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(_cell(each) for each in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Text that is set as code, or nothing."""
    return f"`{text}`" if text else ""


def escaped(text: str) -> str:
    """Text in which no character begins markup of HTML."""
    return text.replace("<", "&lt;").replace("[", "\\[")


def docstring(text: str | None) -> str:
    """A Google-style docstring as Markdown, its sections as tables."""
    found = inspect.cleandoc(text or "")
    return _SECTION.sub(_section, found + "\n")


def _section(match: re.Match[str]) -> str:
    body = inspect.cleandoc(match[2])
    entries = [(code(entry[1]), entry[2]) for entry in _ENTRY.finditer(body)]
    if match[1] in {"Returns", "Yields"} or not entries:
        return f"**{match[1]}:** {' '.join(body.split())}\n\n"
    heading = {"Args": "argument", "Attributes": "attribute", "Raises": "raises"}[match[1]]
    return f"{table((heading, ''), entries)}\n"
