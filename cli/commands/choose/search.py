"""`crossrt search`: mixed precision to a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.exit_codes import INTERRUPTED, UNJUDGED
from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option, recording_console
from crossrt.cli.shared.option_types import COUNT, FiniteRange, PercentRange
from crossrt.cli.shared.options import models_argument, subject_options, timeout_option

if TYPE_CHECKING:
    from crossrt.analysis.search.result import SearchReport
    from crossrt.harness.search.request import SearchRequest


@click.command(short_help="Search for the fastest int8 or mixed file that keeps to a budget of accuracy.")
@models_argument
@click.option(
    "--max-drop",
    required=True,
    metavar="LOSS",
    help="What may be lost of the task's first metric: 0.2pp of a share such as top-1, or 1% of any other number. The"
    " upper confidence bound of the loss counts, not the loss that was seen.",
)
@click.option(
    "--min-speedup",
    type=FiniteRange(0, 1000, min_open=True),
    default=1.0,
    show_default=True,
    help="Time of the float file over that of the file, at least; the lower end of its interval counts.",
)
@click.option("--allow-slower", is_flag=True, help="Let a file count that is slower than the float file.")
@click.option(
    "--max-size",
    type=PercentRange(0, 100, min_open=True),
    metavar="PERCENT",
    help="Size of the file over that of the float file, at most.",
)
@click.option(
    "--time",
    default="5m",
    show_default=True,
    metavar="TIME",
    help="How long the search may take, such as 90s, 10m or 1h; exporting a Keras model comes on top.",
)
@click.option(
    "--held-out",
    type=PercentRange(10, 90),
    default="50%",
    show_default=True,
    metavar="PERCENT",
    help="Share of --data that the search never sees; the verdict rests on it.",
)
@click.option("--resume", is_flag=True, help="Go on with the search in --out.")
@click.option("--batch", type=COUNT, help="Samples of a timed call.  [default: 1, or the model's own]")
@click.option("--threads", type=COUNT, default=1, show_default=True, help="Threads per operator.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the cut into parts.")
@timeout_option()
@subject_options
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results/search"),
    show_default=True,
    help="Folder for the best file, search.json and the plot.",
)
@config_option()
@json_option
def search(**options: Any) -> int:
    """Find out which layers of MODEL have to stay in float, and write the file to ship.

    MODEL is a float ONNX file, or a Keras or SavedModel model, which is exported first. Whole-model recipes are tried
    first; where none keeps to the budget, the layers that add most noise for what they cost stay in float, as few as it
    takes. Candidates are chosen on one part of --data and judged on another that the search never saw; latency is
    measured in the same rounds as the float file. The best file so far is in --out at every moment. The exit code is 1
    if nothing keeps to the budget, 3 if the time was over before any file could be judged.

    \b
    crossrt search my.onnx --calibration train.npz --data test.npz \\
        --max-drop 0.2pp
    crossrt search my.onnx --calibration train.npz --data test.npz \\
        --max-drop 0.5pp --min-speedup 1.5 --max-size 40%
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.analysis.search.tables import notes_of, print_found
    from crossrt.cli.shared.options import message_console, result_console
    from crossrt.harness.search.plot import write_plot
    from crossrt.harness.search.run import run_search
    from crossrt.reports.text.progress import Terminal

    request = _request(**options)
    with Terminal(message_console()) as display:
        found = run_search(request, display, lambda report: write_plot(report, request.out))
    print_found(found, result_console(), draws=recording_console() is None)
    for note in notes_of(found, request.out):
        result_console().print(note, style="dim", markup=False)
    return _exit_code(found)


def _exit_code(found: SearchReport) -> int:
    if found.status == "interrupted":
        return INTERRUPTED
    if found.status == "unjudged":
        return UNJUDGED
    return int(found.status != "found")


def _request(
    *,
    max_drop: str,
    min_speedup: float,
    allow_slower: bool,
    max_size: float | None,
    time: str,
    held_out: float,
    resume: bool,
    batch: int | None,
    threads: int,
    seed: int,
    timeout: float,
    out: Path,
    **subject: Any,
) -> SearchRequest:
    from crossrt.analysis.search.budget import Budget, drop_in
    from crossrt.cli.shared.options import is_given, subject_from
    from crossrt.harness.measure.settings import WorkerLimits
    from crossrt.harness.search.request import SearchRequest, seconds_in

    if allow_slower and is_given("min_speedup"):
        raise click.UsageError("--allow-slower and --min-speedup exclude each other")
    budget = Budget(drop=drop_in(max_drop), min_speedup=None if allow_slower else min_speedup, max_size=max_size)
    return SearchRequest(
        subject=subject_from(seed=seed, **subject),
        budget=budget,
        out=out,
        time_s=seconds_in(time),
        held_out=held_out,
        resumes=resume,
        batch_size=batch,
        threads=threads,
        seed=seed,
        limits=WorkerLimits(timeout_s=timeout),
    )
