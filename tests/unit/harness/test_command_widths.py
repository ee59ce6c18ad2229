"""Tables of commands that look into files: at 60, 80 and 100 columns no number loses a character."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from crossrt.reports.tables import terminal

pytestmark = pytest.mark.processes

COMMANDS = (
    ("recipes",),
    ("runtimes",),
    ("doctor",),
    ("inspect", "models/conv.int8-io.tflite"),
    ("audit", "models/conv.int8-io.tflite"),
    ("diagnose", "models/conv.int8-io.tflite", "--float", "models/conv.fp32.tflite"),
    ("explain", "int8-io@tflite", "--artifacts", "models"),
    ("robustness", "models/conv.fp32.tflite", "models/conv.int8-io.tflite", "--data", "test.npz", "--samples", "8"),
)


@pytest.mark.usefixtures("without_tensorflow")
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_tables_of_a_command_are_whole(crossrt, folder, data, monkeypatch, arguments):
    plain, sheets = terminal.print_sheet, []

    def record(sheet, console):
        sheets.append(sheet)
        plain(sheet, console)

    monkeypatch.setattr(terminal, "print_sheet", record)
    done = crossrt(*arguments)
    assert sheets, done.stderr
    for sheet in sheets:
        for width in (60, 80, 100):
            console = Console(width=width, file=io.StringIO(), highlight=False)
            plain(sheet, console)
            text = console.file.getvalue()
            assert max(map(len, text.splitlines())) <= width
            shown, dropped = terminal.fitted(sheet, width)
            numbers = [cell.text for row in shown.rows for cell in row if re.fullmatch(r"[-+.,\d]{1,12}", cell.text)]
            assert set(numbers) <= set(text.split())
            assert bool(dropped) == ("not shown for lack of room" in " ".join(text.split()))
