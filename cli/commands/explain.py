"""`crossrt explain`: why is it as fast as it is?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option
from crossrt.cli.shared.option_types import COUNT
from crossrt.cli.shared.subject_options import target_of, target_options

if TYPE_CHECKING:
    from crossrt.harness.analyze.explain import Explanation
    from crossrt.harness.build.subject import Target
    from crossrt.harness.process.probe import RuntimeInfo
    from crossrt.reports.text.progress import Display


@click.command(short_help="Why a file is as fast as it is: the kernels that its runtime runs.")
@target_options("VARIANT@RUNTIME|FILE[@RUNTIME]", has_float=False, timeout_s=60.0)
@click.option(
    "--batch",
    type=COUNT,
    default=1,
    show_default=True,
    help="Samples per call; of a small model take more, such as 32, or the profiler's own time rules the shares. A"
    " fixed batch stays as it is.",
)
@click.option("--threads", type=COUNT, default=1, show_default=True, help="Threads per operator.")
@config_option()
@json_option
def explain(name: str, batch: int, threads: int, **options: Any) -> None:
    """Show which kernels RUNTIME runs: on integers, on floats, or only to convert and to move data.

    Where the runtime has a profiler, with their times. FILE is any .onnx or .tflite file; without RUNTIME the shipped
    runtime of its format runs it. Other variants that come to the same kernels are named, and for ONNX files what the
    graph shows of why a kernel is not an integer kernel. How near kernels are to the limits of this machine is shown
    by crossrt roofline.

    \b
    crossrt explain int8-qdq@ort-cpu
    crossrt explain quantized.onnx --dim seq=128
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console
    from crossrt.harness.analyze.explain import explanation_lines, kernel_sheet
    from crossrt.harness.run.prepare import scratch_folder
    from crossrt.reports.tables.terminal import print_sheet
    from crossrt.reports.text.progress import Terminal

    what, runtime = split_name(name)
    target = target_of(what, **options)
    with Terminal(message_console()) as display, scratch_folder() as folder:
        found = _explained(target, runtime, batch, threads, folder, display)
    console = result_console()
    print_sheet(kernel_sheet(found), console)
    console.print()
    for line in explanation_lines(found):
        console.print(line, markup=False)


def split_name(name: str) -> tuple[str, str | None]:
    """A file or variant, and the runtime; a file's own name may hold an @."""
    if Path(name).is_file():
        return name, None
    what, sign, runtime = name.rpartition("@")
    if not sign or not what or not runtime:
        from crossrt.harness.build.model_files import is_model_file

        is_model_file(name)  # says so where a path is meant
        raise click.UsageError(
            f"{name!r} is neither a file nor written like a case: name it VARIANT@RUNTIME, such as int8@tflite"
        )
    return what, runtime


def runtime_of(name: str, display: Display) -> RuntimeInfo:
    """A runtime that can be used; raises `HarnessError` for any other."""
    from crossrt.harness.errors import HarnessError
    from crossrt.harness.process.probe import probe_runtimes

    (found,) = probe_runtimes([name], remark=display.remark)
    if found.problem is not None:
        raise HarnessError(f"{name}: {found.problem}")
    return found


def _explained(
    target: Target, runtime: str | None, batch: int, threads: int, folder: Path, display: Display
) -> Explanation:
    from crossrt.harness.analyze.explain import check_case, chosen_file, run_explain, session_options
    from crossrt.harness.build.model_files import is_model_file, model_artifact
    from crossrt.harness.build.variant_files import known_variants, variant_files
    from crossrt.harness.errors import HarnessError
    from crossrt.harness.process.probe import check_formats, names_versions
    from crossrt.harness.process.user_data import served
    from crossrt.harness.run.prepare import open_project
    from crossrt.runtimes.registry import shipped_runtime_for

    subject = target.subject
    if is_model_file(target.name):
        artifact = model_artifact(Path(target.name))
        asked = runtime or shipped_runtime_for(artifact.format)
        check_formats([asked], [artifact.format])  # before an environment is made
        data = None if subject.data is None else served(subject.data, artifact.inputs, folder)
        info = runtime_of(asked, display)
        if artifact.format not in info.formats:
            raise HarnessError(f"{info.name} reads {', '.join(info.formats)}, not {artifact.format}")
        settings = session_options(artifact, data, subject.dimensions, batch, threads)
        file_name = Path(target.name).name
        return run_explain(artifact, (), info.name, settings, folder, display, target.timeout_s, file_name, info.python)
    assert runtime is not None
    if names_versions([runtime]):  # an environment takes minutes
        opened = open_project(subject, folder)
        check_formats([runtime], [each.format for each in opened.project.candidates])
        variants = known_variants(opened.project, target.recipes, target.name)
        check_case(target.name, runtime, opened.project, variants)
        info = runtime_of(runtime, display)
    else:
        info = runtime_of(runtime, display)
        opened = open_project(subject, folder)
    variants = known_variants(opened.project, target.recipes, target.name)
    readable = [each for each in variants if each.format in info.formats]
    files = variant_files(opened, subject, readable, (), display)
    artifact = chosen_file(target.name, info, files)
    others = [
        each
        for each in files.files
        if each.format in info.formats and each.quantization is not None and each.id != artifact.id
    ]
    settings = session_options(artifact, opened.project.data, subject.dimensions, batch, threads)
    return run_explain(artifact, others, info.name, settings, folder, display, target.timeout_s, python=info.python)
