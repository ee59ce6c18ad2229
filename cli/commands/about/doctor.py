"""`crossrt doctor`: is this machine fit to measure on?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crossrt.cli.shared.json_output import json_option

if TYPE_CHECKING:
    from crossrt.reports.text.cells import Tone

TONES: dict[str, Tone] = {"ok": "good", "warn": "bad", "unknown": "doubt"}


@click.command(short_help="Is this machine fit to measure on?")
@json_option
def doctor() -> int:
    """Look at what moves a measurement on this machine: found, required, and how to fix it.

    Exit codes: 0 where nothing speaks against measuring here, 1 where something does.
    """
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.doctor.examine import examine
    from crossrt.reports.tables.terminal import print_sheet
    from crossrt.reports.text.cells import Cell, Sheet, counted

    checks = examine()
    rows = tuple(
        (
            Cell(text=check.name),
            Cell(text=check.outcome, tone=TONES[check.outcome]),
            Cell(text=check.found),
            Cell(text=check.required),
        )
        for check in checks
    )
    title, columns = "Is this machine fit to measure on?", ("check", "verdict", "found", "required")
    console = result_console()
    print_sheet(Sheet(title=title, columns=columns, rows=rows, is_text=True), console)
    warned = [check for check in checks if check.outcome == "warn"]
    console.print()
    for check in warned:
        console.print(f"{check.name}: {check.fix}", markup=False, highlight=False, soft_wrap=True)
    found = f"{counted(len(warned), 'thing')} to fix" if warned else "nothing speaks against measuring here"
    console.print(f"{found}; a virtual machine does not tell everything", markup=False, highlight=False)
    return int(bool(warned))
