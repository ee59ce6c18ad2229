"""`crossrt runtimes`: what there is to run on."""

from __future__ import annotations

import click


@click.command(short_help="List the runtimes, their versions, and how to install what is missing.")
def runtimes() -> None:
    """List every registered runtime: its version, the formats it reads, or the command that installs it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from crossrt.harness.cli.shared.options import result_console
    from crossrt.harness.process.probe import probe_runtimes
    from crossrt.reports.text.printable import printable
    from crossrt.reports.text.trimmed import Trimmed

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("runtime", "version", "reads", "state"):
        table.add_column(name, overflow="fold")
    for each in probe_runtimes():
        cells = (each.name, each.version or "-", ", ".join(each.formats) or "-", each.problem or "ready")
        table.add_row(*(Text(printable(cell)) for cell in cells))
    result_console().print(Trimmed(table))
