"""`crossrt roofline`: how near to the limits of this machine?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option
from crossrt.cli.shared.option_types import COUNT
from crossrt.cli.shared.subject_options import target_of, target_options

if TYPE_CHECKING:
    from rich.console import Console

    from crossrt.harness.build.subject import Target
    from crossrt.harness.roofline.kernels import Placed


@click.command(short_help="Which share of this machine's peak a model and each of its kernels reach.")
@target_options("REPORT|VARIANT@RUNTIME|FILE[@RUNTIME]", has_float=False, timeout_s=60.0)
@click.option("--batch", type=COUNT, default=1, show_default=True, help="Samples per call.")
@click.option("--threads", type=COUNT, default=1, show_default=True, help="Threads per operator.")
@click.option("--refresh", is_flag=True, help="Measure the limits again; else those in the cache count.")
@config_option()
@json_option
def roofline(name: str, batch: int, threads: int, refresh: bool, **options: Any) -> None:
    """Compare a model with the limits of this machine: peaks for fp32, bf16 and int8, and memory bandwidth.

    The limits are measured once, with packages that are installed, and kept in the cache. MACs and bytes are counted
    from the graph. REPORT is one that crossrt bench --roofline made.

    \b
    crossrt roofline model.onnx
    crossrt roofline int8-qdq@ort-cpu --batch 32
    crossrt roofline latest
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.run.saved_runs import NAMES, is_word

    path = Path(name)
    is_run = path.suffix == ".json" or any((path / each).is_file() for each in NAMES)
    if is_run or (is_word(name) and not path.exists()):
        _print_report(path, result_console())
        return
    _print_placed(_placed(target_of(name, **options), batch, threads, refresh=refresh), name, batch, result_console())


def _print_report(path: Path, console: Console) -> None:
    from crossrt.harness.errors import HarnessError
    from crossrt.harness.run.saved_runs import report_in
    from crossrt.reports.schema.files import read_report
    from crossrt.reports.tables.roofline import roofline_sheet
    from crossrt.reports.tables.terminal import print_sheet, print_warnings

    report = read_report(report_in(path))
    sheet = roofline_sheet(report)
    if not sheet.rows:
        raise HarnessError(f"{path} holds no limits of its machine: measure with crossrt bench --roofline")
    print_warnings(report, console)
    print_sheet(sheet, console)


def _placed(target: Target, batch: int, threads: int, *, refresh: bool) -> Placed:
    from crossrt.cli.commands.explain import runtime_of, split_name
    from crossrt.cli.shared.options import message_console
    from crossrt.harness.measure.case import Scenario
    from crossrt.harness.roofline.kernels import place_file
    from crossrt.harness.roofline.target import artifact_of
    from crossrt.harness.run.prepare import scratch_folder
    from crossrt.reports.text.progress import Terminal

    what, runtime = split_name(target.name)
    with Terminal(message_console()) as display, scratch_folder() as folder:
        chosen = artifact_of(target, what, runtime, runtime_of, folder, display)
        display.phase("comparing with the limits of this machine", None)
        scenario = Scenario(batch_size=batch, threads=threads)
        return place_file(
            chosen.artifact,
            chosen.runtime,
            target.subject,
            chosen.data,
            scenario,
            folder,
            timeout_s=target.timeout_s,
            refresh=refresh,
        )


def _print_placed(found: Placed, name: str, batch: int, console: Console) -> None:
    from crossrt.reports.tables.evidence import evidence_lines
    from crossrt.reports.tables.roofline import COLUMNS, kernel_rows, limit_lines, point_cells
    from crossrt.reports.tables.terminal import print_note, print_sheet
    from crossrt.reports.text.cells import Cell, Sheet

    call = (Cell(text="whole call"), Cell(text="-"), Cell(text=f"{found.call.seconds * 1e6:,.1f}"))
    kernels = [(kernel.operator, kernel.kind, kernel.duration_ns or 0.0, point) for kernel, point in found.kernels]
    rows = ((*call, *point_cells(found.limits, found.call)), *kernel_rows(found.limits, kernels))
    sheet = Sheet(
        title=f"{name}, batch {batch}: how near to the limits of this machine",
        columns=("kernel", "kind", "µs", *COLUMNS),
        rows=rows,
        dropped_first=("KB", "kind", "MMAC"),
    )
    print_sheet(sheet if found.kernels else sheet.without(("kind",)), console)
    console.print()
    evidence = evidence_lines(found.evidence, batch, found.missing)
    for line in (*found.notes, *limit_lines(found.limits), *evidence):
        print_note(line, console)
