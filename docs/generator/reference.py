"""Pages of the reference that are made from the code."""

from __future__ import annotations

from typing import Any

from generator import commands, errors, file_formats, glossary, names


def navigation() -> list[dict[str, Any]]:
    """Titles of the pages, in their order."""
    return [
        {"Python names": "reference/python-names.md"},
        {"Metrics": "reference/metrics.md"},
        {"Saved files": "reference/files.md"},
        {"Errors": "reference/errors.md"},
        {"Options of each command": commands.titles()},
    ]


def pages() -> dict[str, str]:
    """Markdown, and files beside it, by name."""
    return {
        "reference/python-names.md": names.page(),
        "reference/metrics.md": glossary.page(),
        "reference/files.md": file_formats.page(),
        "reference/errors.md": errors.page(),
        **file_formats.schemas(),
        **commands.pages(),
    }
