"""`crossrt bench`: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.exclusive_options import exclusive_options, exclusivity
from crossrt.cli.shared.json_output import echo_json, json_report_option
from crossrt.cli.shared.option_types import COUNT, SIZES, TimeRange
from crossrt.cli.shared.options import (
    cpu_option,
    margin_option,
    minimum_agreement_option,
    models_argument,
    only_option,
    out_option,
    subject_options,
    sweeping_options,
)

if TYPE_CHECKING:
    from crossrt.harness.measure.settings import BenchSettings, Cpu


@click.command(short_help="Check and measure a model: every variant on every runtime.")
@models_argument
@click.option("--quick", is_flag=True, help="Fewer rounds: the same tables with wider intervals.")
@click.option(
    "--time",
    "time_s",
    type=TimeRange(5, 86_400),
    metavar="TIME",
    help="How long checking and measuring may take, such as 90s or 10m; what does not fit is cut, and said. Building"
    " comes on top. [default: what ten rounds take, at most two minutes of measuring]",
)
@subject_options
@only_option
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    metavar="NAME",
    help="Also build and measure this recipe, such as int8-same; see crossrt recipes. May be repeated.",
)
@click.option(
    "--runtime",
    multiple=True,
    metavar="NAME",
    help="Only this runtime, perhaps with options: ort-cpu:arena=off (see crossrt runtimes NAME). May be repeated.",
)
@click.option(
    "--batch",
    multiple=True,
    type=SIZES,
    help="Samples per call: a number, a list 1,8,32 or doublings 1..64. May be repeated.  [default: 1, or the model's"
    " own; 1 and 32 for bundled models]",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="KIND[:OPTIONS]",
    help="single-stream, multi-stream:samples=8, offline:max_batch=256, server:latency=2ms,percentile=99 or"
    " cold-start; see docs/scenarios.md. May be repeated.  [default: single-stream]",
)
@sweeping_options
@click.option("--rounds", type=COUNT, help="Fresh processes per case.  [default: 10; 3 with --quick]")
@click.option(
    "--baseline", metavar="CASE", help="What speed-ups refer to, such as fp32@tflite.  [default: the first float case]"
)
@click.option(
    "--diagnose",
    "diagnoses",
    is_flag=True,
    help="Afterwards, also compare every tensor of the quantized files with float32 and profile the kernels.",
)
@click.option(
    "--roofline",
    "has_roofline",
    is_flag=True,
    help="Afterwards, also compare each case with the limits of this machine: peaks and memory bandwidth.",
)
@click.option(
    "--evidence",
    "has_evidence",
    is_flag=True,
    help="Afterwards, also count what a call of each case costs the processor, where this machine tells: instructions,"
    " cycles, cache misses (perf stat) and energy (RAPL).",
)
@cpu_option
@exclusive_options
@minimum_agreement_option
@click.option(
    "--against",
    metavar="REPORT",
    type=click.Path(path_type=Path),
    help="Compare with this report afterwards, like crossrt compare: exit code 1 where something became worse, 3 where"
    " nothing is comparable.  [default: with --ci baseline.json in that folder, if there is one]",
)
@margin_option
@click.option(
    "--ci",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write report.json into this folder itself, in place of --out, and beside it what a CI job keeps: report.html,"
    " comment.md, verdict.txt, and with a baseline comparison.json and comparison.xml (JUnit).",
)
@out_option("report.json")
@json_report_option
@config_option()
def bench(
    out: Path, ci: Path | None, against: Path | None, margins: tuple[str, ...], as_json: bool, **options: Any
) -> int:
    """Check and measure MODEL on every runtime, or several files of one network side by side.

    A Keras or SavedModel model is exported to ONNX and TFLite and quantized (what is in the cache is not built again);
    a float ONNX or TFLite file is quantized where --calibration is given; other files are run as they are, and the
    first is the reference. Without MODEL the bundled reference model is run. Every variant's answers are checked
    first, then all are measured in interleaved rounds of fresh processes. Prints tables and writes a JSON report.

    \b
    crossrt bench                                        the bundled reference
    crossrt bench my.onnx                                speed, size, memory
    crossrt bench my.keras --data test.npz --calibration train.npz
    crossrt bench a.onnx b.onnx c.tflite --data test.npz --task classification
    crossrt bench encoder.onnx --dim seq=128 --batch 1,8 --time 60
    crossrt bench my.onnx --threads 1,2,4 --batch 1..64  how it scales
    crossrt bench my.onnx --scenario server:latency=2ms,percentile=99
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.measured import Measured
    from crossrt.cli.shared.options import is_given, message_console, result_console
    from crossrt.harness.build.diagnosing import diagnose_commands
    from crossrt.harness.process.out import check_writable
    from crossrt.harness.run.bench import run_bench
    from crossrt.reports.tables.terminal import print_report
    from crossrt.reports.text.progress import Terminal
    from crossrt.reports.verdicts.choice.closing import print_closing

    if ci is not None and is_given("out"):
        raise click.UsageError("--ci and --out exclude each other: --ci names the folder of the report itself")
    check_writable(ci or out)
    measured = Measured.planned(out, ci, against, margins, options["only"])
    settings = _settings(**options)
    with measured.saved.printing():
        with Terminal(message_console()) as display:
            command = ["crossrt", *sys.argv[1:]]
            report = run_bench(settings, command, display, measured.keep, measured.checkpoint)
        if as_json:
            echo_json(report)
        console = message_console() if as_json else result_console()
        print_report(report, console)
        print_closing(report, console)
        for line in diagnose_commands(report, settings.subject):
            click.echo(f"where its error comes from: {line}", err=as_json)
        click.echo(f"report: {measured.path}", err=as_json)
        return measured.finish(report, console, prints_json=as_json)


def _settings(
    *,
    quick: bool,
    recipes: tuple[str, ...],
    only: tuple[str, ...],
    runtime: tuple[str, ...],
    rounds: int | None,
    baseline: str | None,
    time_s: float | None,
    diagnoses: bool,
    cpu: Cpu | None,
    has_roofline: bool,
    has_evidence: bool,
    threads: tuple[tuple[int, ...], ...],
    batch: tuple[tuple[int, ...], ...],
    scenarios: tuple[str, ...],
    is_exclusive: bool,
    max_pressure: float,
    max_steal: float,
    **shared: Any,
) -> BenchSettings:
    from dataclasses import replace
    from itertools import chain

    from crossrt.cli.shared.options import bench_settings, is_given
    from crossrt.harness.measure.scenarios.asked import names_single_stream, read_scenarios
    from crossrt.harness.measure.settings import DEFAULT_EFFORT, QUICK_EFFORT

    effort = QUICK_EFFORT if quick else DEFAULT_EFFORT
    counts = sorted(set(chain.from_iterable(threads))) or [1]
    settings = bench_settings(threads=counts[0], batch=tuple(chain.from_iterable(batch)), **shared)
    return replace(
        settings,
        more_threads=tuple(counts[1:]),
        scenarios=read_scenarios(scenarios),
        is_single_stream=names_single_stream(scenarios),
        subject=replace(settings.subject, recipes=recipes),
        runtimes=tuple(dict.fromkeys(runtime)),
        only=only,
        needs_only=is_given("only") or not is_given("models"),
        effort=effort if rounds is None else replace(effort, rounds=rounds),
        baseline=baseline,
        time_s=time_s,
        diagnoses=diagnoses,
        cpu=cpu,
        has_roofline=has_roofline,
        exclusive=exclusivity(is_exclusive=is_exclusive, max_pressure=max_pressure, max_steal=max_steal),
        has_evidence=has_evidence,
    )
