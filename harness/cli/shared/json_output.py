"""JSON on standard output, and the `--json` of commands that print tables and lines."""

from __future__ import annotations

import functools
from collections.abc import Callable
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
