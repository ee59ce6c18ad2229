"""Links of Markdown pages to other files of the repository, and pages of the site that stand for them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
START: Final = "index.md"
"""The page that the README becomes."""

_FENCE: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(\]\()([^)\s]+)(\))")
_LANGUAGES: Final = {".py": "python", ".toml": "toml", ".yml": "yaml", ".json": "json", ".md": "markdown"}


def page_of(path: str) -> str:
    """The page of the site that shows a file or folder of the repository, both relative to their roots."""
    if path == "README.md":
        return START
    if path.startswith("docs/") and not path.startswith("docs/generator"):
        return path.removeprefix("docs/")
    return f"sources/{path.removesuffix('/README.md')}.md".replace("/.", "/dot-")


def outside(text: str, folder: str) -> list[str]:
    """Files and folders of the repository that a page in `folder` links to and that no page of docs/ shows."""
    found: list[str] = []
    rewritten(text, folder, "", found.append)
    return [path for path in found if page_of(path).startswith("sources/")]


def outside_of(path: str) -> list[str]:
    """The same for a file, or for the README of a folder."""
    found = ROOT / path
    page = found / "README.md" if found.is_dir() else found
    if page.suffix != ".md" or not page.exists():
        return []
    return outside(page.read_text("utf-8"), posixpath.dirname(str(page.relative_to(ROOT))))


def rewritten(text: str, folder: str, page: str, seen: Callable[[str], object] = len) -> str:
    """A page of the repository with its links as those of a page of the site.

    Args:
        text: Markdown.
        folder: The folder that its links are relative to, below the root of the repository.
        page: The page of the site that it becomes.
        seen: Is called with each file or folder of the repository that a link leads to.
    """

    def replace(match: re.Match[str]) -> str:
        path, mark, heading = match[2].partition("#")
        if "://" in path or not path or path.startswith("mailto:"):
            return match[0]
        target = posixpath.normpath(posixpath.join(folder, path))
        if not (ROOT / target).exists():
            return match[0]  # a generated page, or a dead link, which the strict build reports
        seen(target)
        return f"{match[1]}{posixpath.relpath(page_of(target), posixpath.dirname(page))}{mark}{heading}{match[3]}"

    parts, last = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(replace, text[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*parts, _LINK.sub(replace, text[last:])])


def source_page(path: str) -> str:
    """Markdown that shows a file, or a folder's README and the files beside it."""
    found = ROOT / path
    if found.suffix == ".md":
        return rewritten(found.read_text("utf-8"), posixpath.dirname(path), page_of(path))
    if found.is_file():
        return f"# `{path}`\n\n{_listing(found)}"
    readme = found / "README.md"
    head = rewritten(readme.read_text("utf-8"), path, page_of(path)) if readme.exists() else f"# `{path}`\n"
    files = [each for each in sorted(found.iterdir()) if each.suffix in _LANGUAGES and each != readme]
    return head + "".join(f"\n## {each.name}\n\n{_listing(each)}" for each in files)


def _listing(path: Path) -> str:
    """The content of a file as a block that no fence inside can end."""
    language = _LANGUAGES.get(path.suffix, "text")
    return f"````{language}\n{path.read_text('utf-8').rstrip()}\n````\n"
