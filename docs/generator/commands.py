"""A page for each command, from click: what `--help` says, and the key of each option in a file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from crossrt.cli.main import cli
from generator.markdown import code, escaped, table


def pages() -> dict[str, str]:
    """Markdown by name of the page."""
    context = click.Context(cli, info_name="crossrt")
    return {f"reference/{_slug(child)}.md": _page(child.command, child) for child in _all(cli, context)}


def titles() -> list[dict[str, str]]:
    """Entries of the navigation."""
    return [{name.removeprefix("reference/crossrt-").removesuffix(".md").replace("-", " "): name} for name in pages()]


def _all(group: click.Group, context: click.Context) -> Iterator[click.Context]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        child = click.Context(command, info_name=name, parent=context)
        yield child
        if isinstance(command, click.Group):
            yield from _all(command, child)


def _slug(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _page(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"# `{context.command_path}`\n", f"```text\n{usage}\n```\n", _prose(command.help or "")]
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    if options:
        rows = [(_names(each, context), escaped(_help(each, context))) for each in options]
        parts.append(f"## Options\n\n{table(('option', ''), rows)}")
        parts.append(
            f"In [a configuration file](../configuration.md) an option is a key of the table `[{context.info_name}]`,"
            " without its dashes.\n"
        )
    if isinstance(command, click.Group):
        rows = [
            (f"[`{name}`]({_slug(context)}-{name}.md)", escaped(found.get_short_help_str(200)))
            for name in command.list_commands(context)
            if (found := command.get_command(context, name)) is not None
        ]
        parts.append(f"## Commands\n\n{table(('command', ''), rows)}")
    return "\n".join(parts)


def _prose(text: str) -> str:
    """Paragraphs; those that click leaves as they are, and command lines, become blocks."""
    blocks = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text).replace("\x0c", "")):
        lines = [line for line in block.splitlines() if line != "\b"]
        is_literal = block.startswith("\b") or all(line.startswith("crossrt ") for line in lines)
        blocks.append("```text\n" + "\n".join(lines) + "\n```" if is_literal else escaped("\n".join(lines)))
    return "\n\n".join(blocks) + "\n"


def _names(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    return code(record[0] if record else ", ".join(option.opts))


def _help(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    return record[1] if record else ""
