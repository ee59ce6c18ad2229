"""JSON on standard output."""

from __future__ import annotations

from typing import Any

import click


def echo_json(content: Any) -> None:
    """Prints JSON that people can read; what must not reach a terminal or log as it is stands there as escapes."""
    import msgspec

    from crossrt.reports.text.printable import json_for_logs

    text = msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
    click.echo(json_for_logs(text).encode())  # bytes: the same whatever the terminal's encoding is
