"""Every block of code and output in the pages is read as what it is, or names the test or script that makes it."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import groupby
from pathlib import Path

import click
import pytest
import yaml

from crossrt.cli.main import cli
from crossrt.cli.shared.config import _SHARED
from crossrt.exporters.recipes.toml_files import read_recipes
from crossrt.fleet.plans.machines import read_fleet

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from generator.blocks import LANGUAGES, Block, all_blocks, pages  # noqa: E402 - the folder is no package of an installation

BLOCKS = all_blocks()
MARKS = {"output", "output, numbers vary", "from", "formula", "drawing"}
"""Of blocks that are not read as a language."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = {
    "crossrt.datasets",
    "crossrt.dataset_readers",
    "crossrt.quantizers",
    "crossrt.report_formats",
    "crossrt.runtimes",
    "crossrt.sources",
    "crossrt.tasks",
}
OTHERS = (
    *(".", "apt-get", "codespell", "cp", "createdb", "export", "jupyter", "lint-imports", "mv", "mypy", "npm"),
    *("pipx", "pre-commit", "ray", "ruff", "tar", "unzip", "uv", "uvx"),
)
"""Programs whose options nothing here knows; a new one is added on purpose."""


def by_page(chosen: Sequence[Block]):
    """A test for each page: as many tests as there are blocks would take longer than what they do."""
    assert chosen
    groups = [list(group) for _, group in groupby(chosen, key=lambda block: block.page)]
    return pytest.mark.parametrize("shown", groups, ids=lambda group: str(group[0].page.relative_to(ROOT)))


def of(*languages: str):
    return by_page([block for block in BLOCKS if block.language in languages])


@contextmanager
def at(block: Block) -> Iterator[None]:
    """Says with an error in which block it is."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in the block {block.place}")
        raise


def test_no_block_is_overlooked():
    fences = sum(len(re.findall(r"^ *(?:```|~~~)", page.read_text(encoding="utf-8"), re.M)) for page in pages())
    assert 2 * len(BLOCKS) == fences
    assert len(BLOCKS) > 100


@by_page(BLOCKS)
def test_every_block_is_of_a_kind_that_is_tested(shown):
    for block in shown:
        with at(block):
            check_kind(block)


def check_kind(block: Block) -> None:
    if block.language in LANGUAGES:
        assert block.mark in {"", "run", "test commands"}, block.mark
        return
    assert block.language in {"", "text", "console"}, f"{block.language}: no test reads that"
    assert block.mark in MARKS, f"say above it where it comes from: docs/generator/blocks.py, {block.mark!r}"
    if block.mark == "from":
        source = (ROOT / block.source).resolve()
        assert source.is_relative_to(ROOT / "tests"), block.source
        assert source.is_file(), block.source
        if source.parent.name != "benchmarks":  # a test compares it, so it has to read the page
            assert block.page.name in source.read_text(encoding="utf-8"), f"{block.source} does not read the page"
    elif block.mark.startswith("output"):
        assert block.command.startswith("crossrt "), block.command


# Commands


@pytest.fixture
def no_files_needed(monkeypatch, tmp_path):
    """Paths need not exist, and no configuration is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(click.Path, "convert", lambda self, value, *_: self.coerce_path_result(value))


def check_crossrt(arguments: list[str]) -> None:
    """Has click read a command line as it would, with its callbacks, but without running anything."""
    command: click.Command = cli
    parent, name = None, "crossrt"
    try:
        while True:
            context = command.make_context(name, list(arguments), parent=parent)
            if not isinstance(command, click.Group):
                return
            words = [*context._protected_args, *context.args]
            if not words:  # a group that does something by itself
                return
            name, command, arguments = command.resolve_command(context, words)
            parent = context
    except click.exceptions.Exit:  # --help and --version
        return


def commands(line: str) -> Iterator[list[str]]:
    """The simple commands of a shell line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    skips = False
    for word in lexer:
        assert "<" not in word, f"{line}: a shell reads < as a file: write a name that can be typed"
        if set(word) <= set("&|;"):
            yield words
            words = []
        elif word == ">":
            skips = True
        elif skips:
            skips = False
        else:
            words.append(word)
    if words:
        yield words


def check_command(words: list[str]) -> None:
    """Checks what can be known of a command without running it."""
    while re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    program, *arguments = words
    if program.endswith("bin/crossrt") or program == "crossrt":
        check_crossrt(arguments)
    elif re.fullmatch(r"(\S*/)?python3?", program):
        check_python(arguments)
    elif program == "pip":
        assert arguments[0] in {"install", "download"}, words
    elif program == "pytest":
        check_pytest(arguments)
    elif program.rpartition("/")[2] == "tox":
        environments = PROJECT_TOX.partition("env_list = ")[2].partition("\n")[0].split(", ")
        assert set(arguments) <= {"-e", *environments}, words
    elif program == "uvx" or program == "pipx":
        inner = arguments.index("crossrt")
        check_crossrt(arguments[inner + 1 :])
    else:
        assert program in OTHERS, f"{program}: an option of it may be wrong; if not, add it to OTHERS"


PROJECT_TOX = (ROOT / "tox.ini").read_text(encoding="utf-8")


def check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        assert arguments[1] in {"pip", "venv"}, arguments
    elif arguments[0] == "-c":
        ast.parse(arguments[1])
    else:
        places = [folder / arguments[0] for folder in (ROOT, *(ROOT / "examples").iterdir())]
        script = next((place for place in places if place.is_file()), None)
        assert script is not None, f"{arguments[0]} is not in the repository"
        text = script.read_text(encoding="utf-8")
        unknown = [each for each in arguments[1:] if each.startswith("--") and f'"{each}"' not in text]
        assert unknown == []


def check_pytest(arguments: list[str]) -> None:
    declared = (ROOT / "harness/pytest_plugin/options.py").read_text(encoding="utf-8")
    declared += "".join(path.read_text(encoding="utf-8") for path in (ROOT / "runtimes/conformance").glob("*.py"))
    for each in arguments:
        if each.startswith(("--crossrt-", "--require-", "--conformance-")):
            assert f'"{each}"' in declared, each
        if each.startswith("tests/"):
            assert (ROOT / each).exists(), each
        if each.startswith("crossrt."):
            import_module(each)


@of("sh")
def test_command_lines_are_read_by_the_programs_they_name(shown, no_files_needed):
    for block in shown:
        with at(block):
            for line in block.text.splitlines():
                for words in commands(line.replace("...", "")):
                    check_command(words)


@by_page([each for each in BLOCKS if each.command.startswith("crossrt ")])
def test_commands_above_outputs_are_read_by_click(shown, no_files_needed):
    for block in shown:
        with at(block):
            for words in commands(block.command):
                check_command(words)
            if block.text.startswith("$ "):
                assert block.text.partition("\n")[0] == f"$ {block.command}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("crossrt bench own.onnx --no-such-option", "No such option"),
        ("crossrt bench own.onnx --batch many", "not a valid"),
        ("crossrt audit", "Missing parameter: name"),
        ("crossrt fly", "No such command"),
        ("crossrt history trend", "Missing parameter: metric"),
    ],
)
def test_a_command_line_that_is_wrong_is_found(line, message, no_files_needed):
    with pytest.raises(click.UsageError, match=message):
        check_crossrt(shlex.split(line)[1:])


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_extras_are_those_of_the_package(page):
    named = re.findall(r"(?:crossrt|['\"](?:\.|\.\./\.\.))\[([\w,-]+)\]", page.read_text(encoding="utf-8"))
    assert {extra for each in named for extra in each.split(",")} <= PROJECT["project"]["optional-dependencies"].keys()


# TOML, YAML, JSON


@of("toml")
def test_toml_is_read_by_what_reads_it(shown, tmp_path, no_files_needed):
    for block in shown:
        with at(block):
            check_toml(block, tmp_path)


def check_toml(block: Block, tmp_path: Path) -> None:
    tables = tomllib.loads(block.text)
    path = tmp_path / "block.toml"
    path.write_text(block.text, encoding="utf-8")
    if tables.keys() <= {"recipes", "grid"}:
        check_recipes(path)
    elif "project" in tables:
        assert tables["project"].get("entry-points", {}).keys() <= GROUPS
        for points in tables["project"]["entry-points"].values():
            assert all(re.fullmatch(r"\w+:\w+", each) for each in points.values())
    else:
        for name in {"bench", *tables} - {*_SHARED, "fleet"}:
            command = cli.commands[name]
            needed = ["report.json" for each in command.params if isinstance(each, click.Argument) and each.required]
            given = ["--config", str(path), *needed]
            command.make_context(name, given, parent=click.Context(cli, info_name="crossrt"))
        if "fleet" in tables:
            read_fleet(tables, block.place)


def check_recipes(path: Path) -> None:
    """Plug-ins that a page makes up are not installed: their recipes are checked as one of a shipped quantizer."""
    found = read_recipes(path)
    assert found.recipes


@of("yaml")
def test_workflows_give_actions_and_commands_what_they_take(shown, no_files_needed):
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    for each in (value for block in shown for value in inner(yaml.safe_load(block.text))):
        if isinstance(each, dict) and "/crossrt@" in str(each.get("uses")):
            assert each["with"].keys() <= inputs.keys()
            check_crossrt(["bench", *shlex.split(each["with"].get("arguments", ""))])
        if isinstance(each, str) and each.startswith("crossrt "):
            check_crossrt(shlex.split(each)[1:])


def inner(value: object) -> Iterator[object]:
    """A value, and all values in it."""
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inner(each)


def test_json_is_json():
    for block in BLOCKS:
        if block.language == "json":
            json.loads(block.text)
