"""Pages of the reference that are made from the code."""

from __future__ import annotations

from typing import Any


def navigation() -> list[dict[str, Any]]:
    """Titles of the pages, in their order."""
    return [{title: name} for title, name, _ in ()]


def pages() -> dict[str, str]:
    """Markdown by the name of its page."""
    return {}
