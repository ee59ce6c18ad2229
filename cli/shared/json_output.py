"""JSON on standard output, and the `--json` of commands that print tables and lines."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from crossrt.reports.tables.recording import RecordingConsole

_CONSOLE: ContextVar[RecordingConsole | None] = ContextVar("recording console", default=None)


def echo_json(content: Any) -> None:
    """Prints JSON that people can read; what must not reach a terminal or log as it is stands there as escapes."""
    import msgspec

    from crossrt.reports.text.printable import json_for_logs

    text = msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
    click.echo(json_for_logs(text).encode())  # bytes: the same whatever the terminal's encoding is


def recording_console() -> RecordingConsole | None:
    """The console that keeps what the command prints, where `--json` was given."""
    return _CONSOLE.get()


def json_option(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Adds `--json`: the same tables with all columns, cautions and lines, for programs.

    It stands directly above the function of the command, which prints to `result_console()` alone.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print cautions, tables and lines as JSON.")
    @functools.wraps(command)
    def run(*arguments: Any, as_json: bool, **options: Any) -> int | None:
        if not as_json:
            return command(*arguments, **options)
        from crossrt.reports.tables.recording import RecordingConsole

        console = RecordingConsole()
        token = _CONSOLE.set(console)
        try:
            code = command(*arguments, **options)
        finally:
            _CONSOLE.reset(token)
        echo_json(console.printed())
        return code

    return run


json_report_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the report as JSON, as crossrt show --json does; tables and lines go to standard error.",
)


def format_option(formats: Sequence[str]) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Adds `--format`, given to the command as `style`, and `--json`, which is short for its `json`."""

    def decorate(command: Callable[..., int | None]) -> Callable[..., int | None]:
        @click.option("--format", "style", type=click.Choice(formats), default="table", show_default=True)
        @click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
        @functools.wraps(command)
        def run(*arguments: Any, style: str, as_json: bool, **options: Any) -> int | None:
            return command(*arguments, style=_chosen(style) if as_json else style, **options)

        return run

    return decorate


def _chosen(style: str) -> str:
    """The format where both options have a value; of two on the command line neither wins."""
    from crossrt.cli.shared.options import is_given

    on_line = [is_given(each) for each in ("style", "as_json")]
    if all(on_line) and style != "json":
        raise click.UsageError(f"--json and --format {style} exclude each other: leave one out")
    return style if on_line == [True, False] else "json"
