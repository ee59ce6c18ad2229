"""`crossrt explain`: why is it as fast as it is?"""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.harness.cli.commands.config import config_option
from crossrt.harness.cli.commands.options import COUNT, model_option
from crossrt.harness.cli.commands.recipes import recipe_file_option


@click.command(short_help="Why a variant is as fast as it is: the kernels that its runtime runs.")
@click.argument("case", metavar="VARIANT@RUNTIME")
@model_option
@recipe_file_option
@click.option(
    "--artifacts",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take the files from this folder, written by crossrt quantize or export.",
)
@click.option(
    "--batch",
    type=COUNT,
    default=32,
    show_default=True,
    help="Digits per call; with few of them the profiler's own time rules the shares.",
)
@click.option("--threads", type=COUNT, default=1, show_default=True, help="Threads per operator.")
@config_option()
def explain(case: str, model: Path | None, file: Path | None, artifacts: Path | None, batch: int, threads: int) -> None:
    """Show which kernels RUNTIME runs for VARIANT: on integers, on floats, or only to convert and to move data.

    Where the runtime has a profiler, with their times. Other variants that come to the same kernels are named, and for
    ONNX files what the graph shows of why a kernel is no integer kernel.
    """
    from crossrt.harness.analyze.explain import explanation_lines, kernel_sheet, run_explain, variants_for
    from crossrt.harness.build.variant_files import variant_files
    from crossrt.harness.cli.commands.options import message_console, model_path, result_console
    from crossrt.harness.cli.progress import Terminal
    from crossrt.harness.errors import HarnessError
    from crossrt.harness.evaluate.workspace import open_workspace
    from crossrt.harness.measure.case import Scenario
    from crossrt.harness.process.probe import probe_runtimes
    from crossrt.reports.tables.terminal import sheet_table

    if artifacts and (model or file):
        raise click.UsageError("--artifacts excludes --model and --file: the folder says what it holds")
    variant, sign, name = case.partition("@")
    if not sign or not variant or not name:
        raise click.UsageError(f"{case!r} is not written like a case: name it VARIANT@RUNTIME, such as int8@tflite")
    runtimes = {each.name: each for each in probe_runtimes()}
    if name not in runtimes:
        raise HarnessError(f"there is no runtime {name!r}; there are: {', '.join(runtimes)}")
    if (problem := runtimes[name].problem) is not None:
        raise HarnessError(f"{name}: {problem}")
    with Terminal(message_console()) as display, open_workspace() as workspace:
        variants = variants_for(case, runtimes[name], artifacts, file)
        files = variant_files(model_path(model), artifacts, variants, (), workspace, display)
        readable = [each for each in files if each.format in runtimes[name].formats]
        chosen = next(each for each in readable if each.variant == variant)
        others = [each for each in readable if each.quantization is not None and each is not chosen]
        found = run_explain(chosen, others, name, Scenario(batch_size=batch, threads=threads), display)
    console = result_console()
    console.print(sheet_table(kernel_sheet(found)))
    console.print()
    for line in explanation_lines(found):
        console.print(line, markup=False)
