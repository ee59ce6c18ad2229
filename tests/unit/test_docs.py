"""README, docs and examples: commands parse, links lead somewhere, code compiles, words are the field's."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

import crossrt
from crossrt.cli.main import cli
from crossrt.cli.shared.config import _SHARED

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
    *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "CHANGELOG", "SECURITY", "CODE_OF_CONDUCT")),
    ROOT / ".github" / "pull_request_template.md",
    ROOT / "llms.txt",
    ROOT / "skills" / "crossrt" / "SKILL.md",
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")

FORBIDDEN = {
    "digits as a unit": r"\bdigits?\b",
    "mend": r"\bmend(s|ed|ing)?\b",
    "twin": r"\btwins?\b",
    "anchor": r"\banchors?\b",
    "weather, restless": r"\bweather\b|\brestless\b",
    "held against": r"\b(held|hold|holds) (?:\w+ ){0,4}against\b",
    "overhead floor": r"\boverhead floors?\b",
    "is no": r"(?<![Tt]here )\bis no (?!longer|better)",
    "there are:": r"\bthere are:",
    "is wanted": r"\bwanted\b",
    "spoilt, turned": r"\bspoil(s|t|ed)?\b|\bturned and\b",
    "textbook": r"\btextbook\b",
    "not told from": r"\btold from\b|\btold apart\b",
    "lost fusion": r"\blost fusions?\b",
    "hazard": r"\bhazards?\b",
    "points": r"\bin points\b|\b\d points\b|\bPOINTS\b",
    "plays favourites": r"\bplays favourites\b",
}
ALLOWED = (
    *("40 hex digits", "64 hexadecimal digits", "significant digits", "letters, digits"),
    *("load_digits", "The digits in `datasets/mnist/data/`"),
)
ROOMS = sorted(each.parent.name for each in ROOT.glob("*/__init__.py"))
# the data set whose samples are digits, and files of version 1, whose names of fields stay as they were
OWN_WORDS = ("datasets/mnist", "migrations", "schema/version1")


def identify(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, content in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield content


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def command_lines(page: Path) -> Iterator[str]:
    """Command lines of shell blocks, those that outputs begin with, and those in running text."""
    shell = [line for content in blocks(page, "sh") for line in content.splitlines()]
    shown = [
        line.removeprefix("$ ") for content in blocks(page, "") for line in content.splitlines() if line[:2] == "$ "
    ]
    inline = re.findall(r"`([^`\n]+)`", prose(page))
    for line in (*shell, *shown, *inline):
        for part in re.split(r"&&|;|\|(?!\|)| > ", line):
            if re.match(r"(\S*/bin/)?crossrt( |$)", part.strip()):
                yield part.strip()


ALL_COMMANDS = [(page, line) for page in PAGES for line in command_lines(page)]


def parsed(line: str) -> None:
    """Raises what click raises where a command line cannot be parsed; paths need not exist."""
    _, *arguments = shlex.split(line.replace("...", ""), comments=True)
    command: click.Command = cli
    context = click.Context(command, info_name="crossrt")
    while isinstance(command, click.Group):
        if not arguments or arguments[0] in {"--help", "--version"}:
            return
        found = command.get_command(context, arguments[0])
        assert found is not None, f"{line}: there is no command {arguments[0]!r}"
        command, arguments = found, arguments[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    values, rest, _ = command.make_parser(context).parse_args(arguments)
    assert not rest, f"{line}: {rest} is left over"
    for parameter in command.params:
        given = values.get(parameter.name)
        if isinstance(given, str | list | tuple) and not isinstance(parameter.type, click.Path):
            texts = [given] if isinstance(given, str) else [each for each in given if each is not None]
            for text in texts if isinstance(parameter, click.Option) else ():
                parameter.type.convert(text, parameter, context)


@pytest.mark.parametrize(("page", "line"), ALL_COMMANDS, ids=identify)
def test_command_lines_parse(page, line):
    parsed(line)


def test_there_are_command_lines_to_test():
    assert len({page for page, _ in ALL_COMMANDS}) > 10
    with pytest.raises(click.UsageError, match="No such option"):
        parsed("crossrt bench own.onnx --no-such-option")
    with pytest.raises(click.UsageError, match="not a valid"):
        parsed("crossrt bench own.onnx --batch many")
    with pytest.raises(AssertionError, match="there is no command"):
        parsed("crossrt fly")


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_relative_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        if "://" in target:
            continue
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name}: {target}"
        if heading and found.suffix == ".md":
            assert heading in headings(found), f"{page.name}: {target}"


def headings(page: Path) -> set[str]:
    """Names of headings as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


def check_words(text: str) -> None:
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    for name, pattern in FORBIDDEN.items():
        match = re.search(pattern, text)
        assert match is None, f"{name}: ...{text[max(0, match.start() - 40) : match.end() + 40]}..."


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_pages_use_the_words_of_the_field(page):
    check_words(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("room", ROOMS)
def test_messages_and_docstrings_use_the_words_of_the_field(room):
    for path in sorted((ROOT / room).rglob("*.py")):
        if not any(part in str(path) for part in OWN_WORDS):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                    check_words(" ".join(node.value.split()))


def all_commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        child = click.Context(command, info_name=name, parent=context)
        yield child.command_path, command, child
        if isinstance(command, click.Group):
            yield from all_commands(command, child)


COMMANDS = {
    path: (command, context) for path, command, context in all_commands(cli, click.Context(cli, info_name="crossrt"))
}


@pytest.mark.parametrize("path", COMMANDS)
def test_help_uses_the_words_of_the_field(path):
    command, context = COMMANDS[path]
    check_words(" ".join(command.get_help(context).split()))


@pytest.mark.parametrize("path", ["crossrt", *COMMANDS])
def test_help_fits_a_terminal_of_80_columns(path):
    command = COMMANDS[path][0] if path in COMMANDS else cli
    context = click.Context(command, info_name=path, terminal_width=80, max_content_width=80)
    assert [line for line in command.get_help(context).splitlines() if len(line) > 80] == []


def test_the_page_of_commands_names_every_command():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    missing = [name for name in cli.list_commands(click.Context(cli)) if f"`crossrt {name}" not in page]
    assert not missing


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("name", ["bench", "duel", "quantize"])
def test_the_python_page_lists_every_argument(name):
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    section = section.partition("\n\nIt returns ")[0]
    rows = [row.split(" | ")[0] for row in section.splitlines() if row.startswith("| `")]
    listed = [argument for row in rows for argument in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(inspect.signature(getattr(crossrt, name)).parameters)


def test_the_python_page_has_a_section_for_every_function():
    functions = {name for name in crossrt.__all__ if inspect.isfunction(getattr(crossrt, name))}
    assert functions <= headings(ROOT / "docs" / "python.md")


def test_the_configuration_page_lists_every_shared_key():
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    section = text.partition("| table | key | option |")[2].partition("\n\n")[0]
    listed: dict[str, set[str]] = {}
    table = ""
    for row in section.splitlines()[2:]:
        _, first, keys, *_ = (cell.strip() for cell in row.split("|"))
        table = first.strip("`[]") or table
        listed.setdefault(table, set()).update(re.findall(r"`([\w-]+)`", keys))
    assert listed == {name: set(keys) for name, keys in _SHARED.items()}


@pytest.mark.parametrize("name", ["plugin-runtime/crossrt_numpy_runtime.py", "plugin-task/crossrt_ordinal.py"])
def test_code_of_plug_ins_is_that_of_the_examples(name):
    shown = (ROOT / "examples" / name).read_text(encoding="utf-8").split('"""\n\n', 1)[1]
    assert shown.strip() in (ROOT / "docs" / "plug-ins.md").read_text(encoding="utf-8")


def test_the_test_commands_are_found_where_the_job_looks():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.partition("\n<!-- test commands -->\n```sh\n")[2].partition("\n```")[0].splitlines()
    assert len(block) == 1
    assert block[0].endswith("tox")


def test_the_python_page_names_every_metric_and_every_attribute_of_what_is_returned():
    from crossrt.quantizing import Quantized
    from crossrt.reports.statistics.metrics import MEASURED_METRICS
    from crossrt.reports.tables.rows import Row

    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text))
    hidden = {"schema_version", "kind", "problem"}
    for kind in (crossrt.Report, crossrt.Comparison, crossrt.Duel, crossrt.Inspection):
        assert {field.name for field in msgspec.structs.fields(kind)} - hidden <= named, kind
    for kind in (Row, Quantized):
        assert {field.name for field in dataclasses.fields(kind)} <= named, kind
    assert {metric.name for metric in MEASURED_METRICS} <= named
