"""The page of errors: every class that crossrt raises, read from the sources without importing them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Final

from generator.links import ROOT
from generator.markdown import docstring

ROOMS: Final = tuple(
    folder.name for folder in sorted(ROOT.iterdir()) if folder.name != "tests" and (folder / "__init__.py").exists()
)
"""Folders at the root that are packages."""
TOP: Final = "CrossrtError"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorClass:
    """One class.

    Attributes:
        name: Its name.
        module: Where it is imported from.
        bases: Names of the classes above it.
        text: Its docstring.
        exit_code: What a command ends with, where the class says so.
    """

    name: str
    module: str
    bases: tuple[str, ...]
    text: str
    exit_code: int | None


def slug(name: str) -> str:
    """The anchor of a class on the page: `DataError` is `data-error`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def classes() -> dict[str, ErrorClass]:
    """All classes below `CrossrtError`, and itself, by name."""
    found = [each for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) for each in _in_file(path)]
    known = {TOP}
    while more := {each.name for each in found if each.name not in known and known & set(each.bases)}:
        known |= more
    return {each.name: each for each in found if each.name in known}


def _in_file(path) -> list[ErrorClass]:  # noqa: ANN001 - a Path
    relative = path.relative_to(ROOT).with_suffix("")
    module = ".".join(["crossrt", *(part for part in relative.parts if part not in {"__init__", "api"})])
    return [
        ErrorClass(
            name=node.name,
            module=module,
            bases=tuple(ast.unparse(base).rpartition(".")[2] for base in node.bases),
            text=ast.get_docstring(node) or "",
            exit_code=_exit_code(node),
        )
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]


def _exit_code(node: ast.ClassDef) -> int | None:
    for each in node.body:
        if isinstance(each, ast.AnnAssign | ast.Assign) and "exit_code" in ast.unparse(each):
            return ast.literal_eval(each.value) if isinstance(each.value, ast.Constant) else None
    return None


def page() -> str:
    """Markdown with a heading for each class."""
    found = classes()
    parts = [
        "# Errors\n\nEverything that crossrt raises on purpose is a `CrossrtError`: its message says what is wrong,"
        " what was found, and what to do. On the command line that is one message and an exit code; a case that fails"
        " while others can be measured is a row of the report instead. `CROSSRT_DEBUG=1` prints the traceback too.\n"
    ]
    for name in sorted(found, key=lambda each: (each != TOP, each)):
        each = found[name]
        above = [f"[`{base}`](#{slug(base)})" for base in each.bases if base in found]
        parts.append(
            f"## `{name}` {{ #{slug(name)} }}\n\n`{each.module}`{', a ' + above[0] if above else ''};"
            f" exit code {_code(each, found)}\n\n{docstring(each.text)}"
        )
    return "\n".join(parts)


def _code(each: ErrorClass, found: dict[str, ErrorClass]) -> int:
    if each.exit_code is not None:
        return each.exit_code
    return next((_code(found[base], found) for base in each.bases if base in found), 2)
