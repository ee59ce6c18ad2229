"""`crossrt bench`: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.config import config_option
from harness.commands.options import FiniteRange, minimum_agreement_option, model_option, only_option

if TYPE_CHECKING:
    from harness.settings import BenchSettings
    from reports.schema import Report

COUNT = click.IntRange(min=1)
LONGEST_TIMEOUT_S = 86_400
LARGEST_LIMIT_MIB = 2**22


@click.command(short_help="Build, check and measure every variant on every runtime.")
@click.option("--quick", is_flag=True, help="Fewer rounds: the same tables with wider intervals.")
@model_option
@click.option(
    "--artifacts",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Measure the artifacts in this folder, written by crossrt export; needs no TensorFlow.",
)
@only_option
@click.option("--runtime", multiple=True, metavar="NAME", help="Only this runtime. May be repeated.")
@click.option("--threads", type=COUNT, default=1, show_default=True, help="Threads per operator, on every runtime.")
@click.option(
    "--batch", multiple=True, type=COUNT, default=(1, 32), show_default=True, help="Digits per call. May be repeated."
)
@click.option(
    "--io",
    type=click.Choice(["float32", "native"]),
    default="float32",
    show_default=True,
    help="Feed and read float32, or the model's own integer types where it has them.",
)
@click.option("--rounds", type=COUNT, help="Fresh processes per case.  [default: 10; 3 with --quick]")
@click.option("--baseline", metavar="CASE", help="What speed-ups refer to, such as fp32@tflite.  [default: first fp32]")
@minimum_agreement_option
@click.option(
    "--timeout",
    type=FiniteRange(0.1, LONGEST_TIMEOUT_S),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Deadline of each single step of a worker process.",
)
@click.option(
    "--memory-limit",
    type=click.IntRange(64, LARGEST_LIMIT_MIB),
    default=4096,
    show_default=True,
    metavar="MIB",
    help="Private memory that a worker process may have.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random orders.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder for <run>/report.json.",
)
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
    from harness.bench import report_path, run_bench
    from harness.commands.options import message_console, result_console
    from harness.out import check_writable
    from harness.progress import Terminal
    from reports.tables import print_report

    if options["model"] and options["artifacts"]:
        raise click.UsageError("--model and --artifacts exclude each other: the folder says which model it holds")
    check_writable(out)
    with Terminal(message_console()) as display:
        report = run_bench(_settings(**options), ["crossrt", *sys.argv[1:]], display)
    path = _save(report, report_path(out, report))  # first: printing may fail
    print_report(report, result_console())
    click.echo(f"report: {path}")
    return _exit_code(report)


def _settings(
    *,
    quick: bool,
    model: Path | None,
    artifacts: Path | None,
    only: tuple[str, ...],
    runtime: tuple[str, ...],
    threads: int,
    batch: tuple[int, ...],
    io: Any,
    rounds: int | None,
    baseline: str | None,
    min_agreement: float,
    timeout: float,
    memory_limit: int,
    seed: int,
) -> BenchSettings:
    from dataclasses import replace

    from harness.commands.options import model_path
    from harness.settings import DEFAULT_EFFORT, QUICK_EFFORT, BenchSettings, WorkerLimits

    effort = QUICK_EFFORT if quick else DEFAULT_EFFORT
    return BenchSettings(
        model_path=model_path(model),
        artifacts=artifacts,
        runtimes=tuple(dict.fromkeys(runtime)),
        only=only,
        batch_sizes=tuple(sorted(set(batch))),
        threads=threads,
        io=io,
        effort=effort if rounds is None else replace(effort, rounds=rounds),
        baseline=baseline,
        minimum_agreement=min_agreement,
        seed=seed,
        limits=WorkerLimits(timeout_s=timeout, memory_limit_bytes=memory_limit * 2**20),
    )


def _save(report: Report, path: Path) -> Path:
    """Writes the report; where the folder became unwritable meanwhile, to the system's temporary folder."""
    import tempfile

    from reports.errors import ReportError
    from reports.files import write_report

    try:
        write_report(report, path)
    except ReportError as error:
        path = Path(tempfile.gettempdir()) / f"crossrt-{report.run.id}.json"
        write_report(report, path)
        click.echo(f"crossrt: {error}. The report was saved as {path}", err=True)
    return path


def _exit_code(report: Report) -> int:
    if report.run.status == "interrupted":
        return 130
    statuses = {result.status for result in report.results}
    return int("failed" in statuses or "ok" not in statuses)
