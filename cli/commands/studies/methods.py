"""`crossrt methods`: every method of quantization on one model, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crossrt.cli.commands.recipes import recipe_file_option
from crossrt.cli.exit_codes import INTERRUPTED
from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option
from crossrt.cli.shared.option_types import TimeRange
from crossrt.cli.shared.options import models_argument, subject_options

_TIME_S = 4.0


@click.command(short_help="Every quantization method on one model, compared with float and with the plain recipe.")
@models_argument
@click.option(
    "--recipe",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="A recipe's name, or a shell pattern such as 'int8-qdq*'. May be repeated; plain recipes join by themselves."
    "  [default: all methods that fit the model]",
)
@recipe_file_option
@click.option(
    "--against",
    metavar="NAME",
    help="The recipe that all are compared with.  [default: for each the plain one of the same types]",
)
@click.option("--time", "is_timed", is_flag=True, help="Time each side by side with its plain recipe as well.")
@click.option(
    "--budget",
    type=TimeRange(1, 3600),
    default=_TIME_S,
    show_default=True,
    metavar="TIME",
    help="How long each is timed before the verdict, with --time.",
)
@subject_options
@config_option()
@json_option
def methods(
    patterns: tuple[str, ...], file: Path | None, against: str | None, is_timed: bool, budget: float, **subject: Any
) -> int:
    """Build MODEL by every method, and compare each with the float model and with the plain recipe behind it.

    A method that does not apply is named with the reason. Changes of the metric are judged over the same samples.
    The last lines name the best file, and the crossrt quantize command that writes it.

    \b
    crossrt methods my.onnx --calibration train.npz --data test.npz
    crossrt methods my.onnx --calibration train.npz --data test.npz \\
        --recipe '*equalized*' --time
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console, subject_from
    from crossrt.harness.analyze.methods import Methods, run_methods
    from crossrt.harness.analyze.methods_choice import choice_lines
    from crossrt.harness.analyze.methods_tables import league_sheet, outputs_sheet
    from crossrt.harness.build.recipes import method_notes
    from crossrt.reports.tables.terminal import print_cautions, print_sheet
    from crossrt.reports.text.cells import grouped
    from crossrt.reports.text.printable import printable
    from crossrt.reports.text.progress import Terminal

    time_s = budget if is_timed else None
    asked = Methods(subject=subject_from(**subject), patterns=patterns, file=file, against=against, time_s=time_s)
    with Terminal(message_console(), tells_failures=False, tells_steps=True) as display:
        league = run_methods(asked, display)
    console = result_console()
    print_cautions(league.cautions, console)
    print_sheet(league_sheet(league), console)
    if (of_outputs := outputs_sheet(league)) is not None:
        console.print()
        print_sheet(of_outputs, console)
    for line in method_notes({each.item: each.artifact.quantization for each in league.methods}):
        console.print(f"note  {printable(line)}", markup=False)
    for title, reasons in (("not applicable", league.unfit), ("failed", league.failed), ("no time", league.untimed)):
        for line in grouped(reasons):
            console.print(f"{title}  {printable(line)}", markup=False)
    if league.is_interrupted:
        console.print("interrupted: what is missing was not evaluated, what has no time was not timed")
        return INTERRUPTED
    for line in choice_lines(league, asked.subject, file):
        console.print(printable(line), markup=False, soft_wrap=line.startswith("make it"))
    return int(bool(league.failed or league.untimed) or league.is_asked_in_vain)
