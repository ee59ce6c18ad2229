"""`crossrt accuracy`: answers compared with each other, or with those on another processor."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option
from crossrt.cli.shared.options import cpu_option, is_given, only_option, subject_options, timeout_option

if TYPE_CHECKING:
    from crossrt.harness.measure.settings import Cpu
    from crossrt.reports.tables.agreement_matrix import Measure


@click.command(short_help="Compare the answers of a report's cases with each other, or with those on another CPU.")
@click.argument("models", nargs=-1, metavar="REPORT|[MODEL]...", type=click.Path(path_type=Path))
@only_option
@click.option(
    "--measure",
    type=click.Choice(["agreement", "relative", "steps", "kl"]),
    help="How cases are compared with each other: same answers, difference of outputs relative to their norm, largest"
    " difference of an output in quantization steps (LSB), or divergence of the probabilities in nats.  [default:"
    " agreement where answers are classes, else relative]",
)
@click.option("--confusion", is_flag=True, help="Also print each confusion matrix minus the baseline's.")
@cpu_option
@subject_options
@click.option("--recipe", "recipes", multiple=True, metavar="NAME", help="With --cpu: also this recipe.")
@click.option("--runtime", multiple=True, metavar="NAME", help="With --cpu: only this runtime. May be repeated.")
@timeout_option()
@config_option()
@json_option
def accuracy(
    models: tuple[Path, ...],
    only: tuple[str, ...],
    measure: Measure | None,
    confusion: bool,
    cpu: Cpu | None,
    **options: Any,
) -> int | None:
    """Show which samples each case of REPORT fixed and broke against the baseline, and how far cases agree.

    With --cpu, answer the data with MODEL, or the bundled one, as bench does before it measures: here, and as that CPU
    would, under an emulator. Only answers: nothing is timed.

    \b
    crossrt accuracy results/<run>
    crossrt accuracy int8.onnx --cpu avx2 --data test.npz
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    if cpu is not None and not (len(models) == 1 and _is_report(models[0])):
        return _emulated(models, only, cpu, **options)
    if len(models) != 1:
        raise click.UsageError("name one REPORT, or give --cpu to run models")
    if cpu is not None and is_given("cpu"):
        raise click.UsageError(f"{models[0]} is a report, which holds no model to run on another CPU: name the MODEL")
    _compare(models[0], only, measure, confusion=confusion)
    return None


def _is_report(path: Path) -> bool:
    from crossrt.harness.run.saved_runs import NAMES, is_word

    is_run = any((path / name).is_file() for name in NAMES) or path.suffix == ".json"
    return is_run or (is_word(path) and not path.exists())


def _emulated(models: tuple[Path, ...], only: tuple[str, ...], cpu: Cpu, **options: Any) -> int:
    from crossrt.cli.shared.options import message_console, result_console, subject_from
    from crossrt.harness.emulation.accuracy import run_emulated_accuracy
    from crossrt.harness.measure.settings import BenchSettings, WorkerLimits
    from crossrt.reports.tables.emulated import emulated_notes, emulated_sheet
    from crossrt.reports.tables.terminal import print_cautions, print_note, print_sheet
    from crossrt.reports.text.progress import Terminal

    recipes, runtimes = options.pop("recipes"), tuple(dict.fromkeys(options.pop("runtime")))
    limits = WorkerLimits(timeout_s=options.pop("timeout"))
    subject = replace(subject_from(models=models, **options), recipes=recipes)
    settings = BenchSettings(subject=subject, runtimes=runtimes, only=only, limits=limits, cpu=cpu)
    with Terminal(message_console()) as display:
        answered = run_emulated_accuracy(settings, ["crossrt", *sys.argv[1:]], display)
    console = result_console()
    print_cautions(answered.cautions, console)
    sheet = emulated_sheet(answered)
    if sheet.rows:
        print_sheet(sheet, console)
        console.print()
    for line in emulated_notes(answered):
        print_note(line, console)
    return int(answered.has_failed)


def _compare(report: Path, only: tuple[str, ...], measure: Measure | None, *, confusion: bool) -> None:
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.run.saved_runs import report_in
    from crossrt.reports.schema.files import read_report
    from crossrt.reports.tables.agreement import LEGEND, answers_in, baseline_of, change_sheet, confusion_sheet
    from crossrt.reports.tables.agreement_matrix import LEGENDS, agreement_sheet
    from crossrt.reports.tables.emulated import Answered, emulated_notes, emulated_sheet
    from crossrt.reports.tables.terminal import print_note, print_sheet, print_warnings, sheet_width

    loaded = read_report(report_in(report))
    chosen, baseline = answers_in(loaded, only), baseline_of(loaded)
    if measure is None:
        measure = "relative" if baseline.evaluation.predictions is None and loaded.distances else "agreement"
    console = result_console()
    matrix = agreement_sheet(loaded, chosen, measure, console.width)  # first: the report may not hold it
    print_warnings(loaded, console)
    print_sheet(change_sheet(loaded, chosen, baseline), console)
    console.print()
    print_sheet(matrix, console)
    for each in chosen if confusion else ():
        if each.result.case != baseline.result.case:
            console.print()
            names = loaded.data.classes
            sheet = confusion_sheet(baseline, each, each.result.case, names=names)
            if sheet_width(sheet) > console.width:
                sheet = confusion_sheet(baseline, each, each.result.case, most_classes=0, names=names)
            print_sheet(sheet, console)
    console.print()
    print_note(f"{LEGEND} {LEGENDS[measure]}", console)
    emulated = Answered(rows=loaded.emulated, definitions=loaded.definitions)
    if loaded.emulated:
        console.print()
        print_sheet(emulated_sheet(emulated), console)
        for line in emulated_notes(emulated):
            print_note(line, console)
