"""The house: which room names what, how large it is, and what stands in each folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    "analysis",
    "api",
    "cli",
    "core",
    "datasets",
    "exporters",
    "fleet",
    "harness",
    "history",
    "reports",
    "runtimes",
)
MOST_ENTRIES = 22
LARGEST_SHARE = 0.3

pytestmark = pytest.mark.skipif(
    not all((ROOT / room).is_dir() for room in ROOMS), reason="the sources are not beside the tests"
)


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize(("folder", "word"), [("mnist", "mnist"), ("cifar10", "cifar")])
def test_only_one_folder_names_a_bundled_data_set(folder, word):
    found = [
        path.relative_to(ROOT)
        for room in ROOMS
        for path in sources(room)
        if path.parent.name != folder and re.search(word, path.read_text(encoding="utf-8"), re.IGNORECASE)
    ]
    # a citation of the paper that the kinds of corruption come from, and an example of a URL are no use of the data set
    assert [path for path in found if path != Path("analysis/corruption.py")] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_folder_says_what_lives_there(room):
    for path in (ROOT / room).rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


@pytest.mark.parametrize("room", ROOMS)
def test_no_folder_lists_more_entries_than_a_reader_can_hold(room):
    for folder in {path.parent for path in sources(room)}:
        entries = [each for each in folder.iterdir() if each.suffix == ".py" or (each / "__init__.py").exists()]
        assert len(entries) <= MOST_ENTRIES, folder


def test_no_room_outgrows_the_house():
    lines = {room: sum(len(path.read_text(encoding="utf-8").splitlines()) for path in sources(room)) for room in ROOMS}
    for room, count in lines.items():
        assert count <= LARGEST_SHARE * sum(lines.values()), (room, lines)


def test_no_function_is_longer_than_a_screen():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for room in ROOMS
        for path in sources(room)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 80
    ]
    assert found == []
