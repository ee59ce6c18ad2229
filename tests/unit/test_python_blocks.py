"""Python in the pages compiles, and names and calls of crossrt what exists, with arguments that it takes."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import crossrt
from crossrt.harness.pytest_plugin.fixture import Crossrt
from crossrt.harness.pytest_plugin.marks import DESCRIPTIONS

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

from generator.blocks import all_blocks

BLOCKS = [block for block in all_blocks() if block.language == "python"]


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}), ids=lambda page: page.name)
def test_python_names_and_calls_what_exists(page):
    for block in (each for each in BLOCKS if each.page == page):
        try:
            compile(block.text, block.place, "exec")
            check_source(ast.parse(block.text))
        except Exception as error:
            error.add_note(f"in the block {block.place}")
            raise


def check_source(tree: ast.AST) -> None:
    """Names of crossrt exist, and calls of them have arguments that they take."""
    known = {"crossrt": crossrt} | dict(imported(tree))
    fixtures = {
        inside
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and any(each.arg == "crossrt" for each in function.args.args)
        for inside in ast.walk(function)
    }
    marks = {each.partition("(")[0] for each in DESCRIPTIONS} | {"parametrize", "skipif"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark":
            assert node.attr in marks, node.attr
        if isinstance(node, ast.Attribute | ast.Name):
            found = resolved(node, known | ({"crossrt": Crossrt} if node in fixtures else {}))
        if isinstance(node, ast.Call):
            found = resolved(node.func, known | ({"crossrt": Crossrt} if node in fixtures else {}))
            if inspect.isroutine(found) or (inspect.isclass(found) and not issubclass(found, Exception)):
                check_call(node, found, bound=node in fixtures)


def imported(tree: ast.AST) -> Iterator[tuple[str, object]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "crossrt":
            module = import_module(node.module)
            for alias in node.names:
                yield alias.asname or alias.name, getattr(module, alias.name)


def resolved(node: ast.expr, known: dict[str, object]) -> object:
    """What a name of crossrt stands for; None for others. Raises `AttributeError` for one that does not exist."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute) and (value := resolved(node.value, known)) is not None:
        return getattr(value, node.attr)
    return None


def check_call(node: ast.Call, function: object, *, bound: bool) -> None:
    if any(isinstance(each, ast.Starred) for each in node.args) or any(each.arg is None for each in node.keywords):
        return
    given = [object()] * (len(node.args) + bound)
    inspect.signature(function).bind(*given, **{str(each.arg): None for each in node.keywords})


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import crossrt\ncrossrt.bench('own.onnx', tine=3)", TypeError),
        ("import crossrt\ncrossrt.nonesuch('own.onnx')", AttributeError),
        ("from crossrt.core.errors import NoError", AttributeError),
        ("def test(crossrt):\n    crossrt.bench('own.onnx', tine=3)", TypeError),
        ("import pytest\n@pytest.mark.limit_speed('5%')\ndef test(): ...", AssertionError),
    ],
)
def test_python_that_is_wrong_is_found(source, error):
    with pytest.raises(error):
        check_source(ast.parse(source))
