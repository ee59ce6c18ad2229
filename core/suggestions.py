"""The nearest known name to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` where a known name is near, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def did_you_mean_file(path: Path) -> str:
    """The same for a path that is not there: among what lies in its folder."""
    try:
        names = sorted(each.name for each in path.parent.iterdir())
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {path.with_name(near[0])}?)" if near else ""
