"""`crossrt bisect-runtime`: which release changed it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.exit_codes import INTERRUPTED
from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import echo_json, json_report_option
from crossrt.cli.shared.option_types import FiniteRange, PercentRange, TimeRange
from crossrt.cli.shared.options import measuring_options, subject_options

if TYPE_CHECKING:
    from crossrt.analysis.bisection.record import BisectionReport
    from crossrt.harness.bisect.request import BisectRequest


@click.command("bisect-runtime", short_help="Which release of a runtime changed a model's time or answers?")
@click.argument("case", metavar="MODEL")
@click.option(
    "--runtime", required=True, metavar="NAME", help="The runtime, such as ort-cpu; with options, where it has any."
)
@click.option("--good", required=True, metavar="VERSION", help="A version that is as it should be.")
@click.option("--bad", required=True, metavar="VERSION", help="A version that is slower, faster or answers otherwise.")
@click.option(
    "--by",
    type=click.Choice(["time", "answers"]),
    help="What changed.  [default: time, or answers where times are the same]",
)
@click.option(
    "--margin",
    type=PercentRange(0.01, 1000),
    default="2%",
    show_default=True,
    metavar="PERCENT",
    help="Both ends must differ by more in time: noise is not bisected.",
)
@click.option(
    "--tolerance",
    type=FiniteRange(0, 1),
    default=1e-3,
    show_default=True,
    help="Outputs of both ends must differ by a larger share to be other answers, or classes must flip.",
)
@click.option(
    "--budget",
    type=TimeRange(1, 3600),
    default=8.0,
    show_default=True,
    metavar="TIME",
    help="How long each comparison may measure; three times as long where it stays open.",
)
@click.option("--batch", type=click.IntRange(min=1), help="Samples per call.  [default: 1, or the model's own]")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="The model of the variant, where MODEL names a variant such as int8-qdq.  [default: the bundled one]",
)
@click.option("--fresh", is_flag=True, help="Begin again, whatever an earlier call with these options found.")
@subject_options
@measuring_options
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder for <bisection>/bisection.json.",
)
@json_report_option
@config_option()
def bisect_runtime(as_json: bool, **options: Any) -> int:
    """Find the release of a runtime behind --good that changed how long MODEL takes, or what it answers.

    MODEL is a model file, or a variant such as int8-qdq of --model. Both ends are measured first: where they do not
    differ, nothing is bisected. Then releases between them are compared with the good end, each in an environment of
    its own, in the same rounds of fresh processes, and the kernels on both sides of the change are profiled. What was
    found is saved after each step: the same command goes on after an interrupt. The exit code is 1 if no single release
    is found.

    \b
    crossrt bisect-runtime my.onnx --runtime ort-cpu --good 1.27.0 --bad 1.31.1
    crossrt bisect-runtime my.onnx --runtime ort-cpu --good 1.27.0 \\
        --bad 1.31.1 --by answers --data test.npz
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.analysis.bisection.record import REPORT
    from crossrt.analysis.bisection.tables import print_bisection
    from crossrt.cli.shared.options import message_console, result_console
    from crossrt.harness.bisect.run import run_bisection
    from crossrt.reports.text.progress import Terminal

    request = _request(**options)
    with Terminal(message_console(), tells_failures=False) as display:
        found = run_bisection(request, display)
    if as_json:
        echo_json(found)
    print_bisection(found, message_console() if as_json else result_console())
    click.echo(f"\nbisection: {request.folder / REPORT}", err=as_json)
    return _exit_code(found)


def _exit_code(found: BisectionReport) -> int:
    if found.status == "interrupted":
        return INTERRUPTED
    return int(found.status != "found")


def _request(
    *,
    case: str,
    runtime: str,
    good: str,
    bad: str,
    by: Any,
    margin: float,
    tolerance: float,
    budget: float,
    batch: int | None,
    model: Path | None,
    fresh: bool,
    out: Path,
    **shared: Any,
) -> BisectRequest:
    from crossrt.cli.shared.options import bench_settings, configured_models
    from crossrt.harness.bisect.request import BisectRequest
    from crossrt.runtimes.registry import selector_of

    file = Path(case)
    is_file = file.exists() and (file.suffix != "" or file.is_dir())
    if model is None and not is_file and (file.suffix in (".onnx", ".tflite", ".keras") or "/" in case):
        raise click.UsageError(f"{case} does not exist")
    if model is not None:
        models: tuple[Path, ...] = (model,)
    else:
        models = () if is_file or shared["artifacts"] else configured_models()
    run = bench_settings(
        models=models, sides=(file,) if is_file else (), batch=(batch,) if batch else (), min_agreement=0.0, **shared
    )
    return BisectRequest(
        case=case,
        runtime=selector_of(runtime),
        good=good,
        bad=bad,
        by=by,
        margin=margin,
        tolerance=tolerance,
        budget_s=budget,
        run=run,
        out=out,
        is_fresh=fresh,
    )
