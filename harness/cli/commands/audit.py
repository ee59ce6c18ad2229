"""`crossrt audit`: is the file what the textbook says?"""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.harness.cli.commands.config import config_option
from crossrt.harness.cli.commands.subject_options import subject_of, subject_options


@click.command(short_help="Hold every scale and zero point of a quantized file against the textbook.")
@subject_options
@config_option()
def audit(variant: str, artifacts: Path | None, file: Path | None, model: Path | None) -> int:
    """Compute scale and zero point of each tensor of VARIANT from what the float32 model shows, and compare.

    VARIANT is a recipe's name, such as int8-qdq, with its format where two have it: int8-dynamic.onnx. The exit code
    is 1 if a tensor differs for no known reason.
    """
    from crossrt.harness.analyze.audit import audit_headline, audit_sheet, run_audit
    from crossrt.harness.cli.commands.options import message_console, result_console
    from crossrt.harness.cli.progress import Terminal
    from crossrt.reports.tables.terminal import sheet_table

    subject = subject_of(variant, artifacts, file, model)
    with Terminal(message_console()) as display:
        found = run_audit(subject, display)
    console = result_console()
    console.print(audit_headline(found), style="bold red" if found.unexplained else "bold green", markup=False)
    console.print()
    console.print(sheet_table(audit_sheet(found)))
    return int(bool(found.unexplained))
