"""`crossrt bench`: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.harness.cli.commands.config import config_option
from crossrt.harness.cli.commands.options import (
    COUNT,
    measuring_options,
    minimum_agreement_option,
    model_option,
    only_option,
    out_option,
)

if TYPE_CHECKING:
    from crossrt.harness.measure.settings import BenchSettings
    from crossrt.reports.schema.records import Report


@click.command(short_help="Build, check and measure every variant on every runtime.")
@click.option("--quick", is_flag=True, help="Fewer rounds: the same tables with wider intervals.")
@model_option
@only_option
@click.option("--runtime", multiple=True, metavar="NAME", help="Only this runtime. May be repeated.")
@click.option(
    "--batch", multiple=True, type=COUNT, default=(1, 32), show_default=True, help="Digits per call. May be repeated."
)
@measuring_options
@click.option("--rounds", type=COUNT, help="Fresh processes per case.  [default: 10; 3 with --quick]")
@click.option("--baseline", metavar="CASE", help="What speed-ups refer to, such as fp32@tflite.  [default: first fp32]")
@click.option(
    "--diagnose",
    "diagnoses",
    is_flag=True,
    help="Afterwards, also hold every tensor of the quantized files against float32 and profile the kernels; takes some"
    " 16 s for the nine variants of the main job.",
)
@minimum_agreement_option
@out_option("report.json")
@config_option()
def bench(out: Path, **options: Any) -> int:
    """Compare every quantized variant of an MNIST classifier on every runtime.

    Builds what is not in the cache, checks each variant's answers to the 10,000 test digits, then measures in
    interleaved rounds of fresh processes. Prints tables and writes a JSON report.

    \b
    crossrt bench --quick
    crossrt bench --only 'int8*' --baseline fp32@tflite
    crossrt bench --config crossrt.toml
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.harness.cli.commands.options import message_console, result_console, save_run
    from crossrt.harness.cli.progress import Terminal
    from crossrt.harness.process.out import check_writable
    from crossrt.harness.run.bench import report_path, run_bench
    from crossrt.reports.tables.terminal import print_report

    check_writable(out)
    with Terminal(message_console()) as display:
        report = run_bench(_settings(**options), ["crossrt", *sys.argv[1:]], display)
    path = save_run(report, report_path(out, report))  # first: printing may fail
    print_report(report, result_console())
    click.echo(f"report: {path}")
    return _exit_code(report)


def _settings(
    *,
    quick: bool,
    only: tuple[str, ...],
    runtime: tuple[str, ...],
    rounds: int | None,
    baseline: str | None,
    diagnoses: bool,
    **shared: Any,
) -> BenchSettings:
    from dataclasses import replace

    from crossrt.harness.cli.commands.options import bench_settings
    from crossrt.harness.measure.settings import DEFAULT_EFFORT, QUICK_EFFORT

    effort = QUICK_EFFORT if quick else DEFAULT_EFFORT
    return replace(
        bench_settings(**shared),
        runtimes=tuple(dict.fromkeys(runtime)),
        only=only,
        effort=effort if rounds is None else replace(effort, rounds=rounds),
        baseline=baseline,
        diagnoses=diagnoses,
    )


def _exit_code(report: Report) -> int:
    if report.run.status == "interrupted":
        return 130
    statuses = {result.status for result in report.results}
    return int("failed" in statuses or "ok" not in statuses)
