"""`crossrt duel`: two cases against each other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import echo_json, json_report_option
from crossrt.cli.shared.option_types import PercentRange, TimeRange
from crossrt.cli.shared.options import measuring_options, minimum_agreement_option, out_option, subject_options

if TYPE_CHECKING:
    from crossrt.harness.measure.settings import DuelSettings
    from crossrt.reports.schema.records import Duel


@click.command(short_help="Two cases side by side: which one is faster, and how sure is that?")
@click.argument("a", metavar="A")
@click.argument("b", metavar="[B]", required=False)
@click.option(
    "--python-b",
    type=click.Path(exists=True, path_type=Path),
    help="Run B under the Python (or virtual environment) at this path; it needs numpy and B's runtime, not crossrt.",
)
@click.option(
    "--margin",
    type=PercentRange(0.01, 1000),
    metavar="PERCENT",
    help="Times that differ by less count as the same.  [default: 2%]",
)
@click.option(
    "--fail-if-slower",
    type=PercentRange(0.01, 1000),
    metavar="PERCENT",
    help="A gate: exit with 1 if B is slower than A by more than this, which is the margin too; with 0 if it is not, or"
    " if that stays undecided.",
)
@click.option(
    "--budget",
    type=TimeRange(1, 3600),
    default=8.0,
    show_default=True,
    metavar="TIME",
    help="How long may be measured before the verdict; it ends sooner where the answer is clear.",
)
@click.option("--batch", type=click.IntRange(min=1), help="Samples per call.  [default: 1, or the model's own]")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="The model that A and B are variants of.  [default: the bundled one]",
)
@subject_options
@measuring_options
@minimum_agreement_option
@out_option("duel.json")
@json_report_option
@config_option()
def duel(out: Path, as_json: bool, **options: Any) -> int:
    """Time A and B in the same rounds of fresh processes until their ratio is known.

    A and B are model files, FILE[@RUNTIME], or variants of a model, VARIANT@RUNTIME, each with [/bN][/tN][/native].
    A Keras model is exported to the format of the other file first. Without B, A is compared with itself, or with A
    under another Python. There are four verdicts: A is faster, B is faster (by more than the margin), same (within
    it), inconclusive.

    \b
    crossrt duel a.onnx b.onnx
    crossrt duel int8-qdq@ort-cpu int8@tflite
    crossrt duel fp32@ort-cpu/t1 fp32@ort-cpu/t2
    crossrt duel int8-qdq@ort-cpu --python-b ~/newer-ort/bin/python \\
        --fail-if-slower 2%
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console
    from crossrt.cli.shared.saving import Saved
    from crossrt.harness.measure.duel.run import run_duel
    from crossrt.harness.process.out import check_writable
    from crossrt.reports.schema.files import write_report
    from crossrt.reports.tables.duel_text import gate_line, print_duel
    from crossrt.reports.text.progress import Terminal
    from crossrt.reports.verdicts.duel_reports import arm_report

    if options["margin"] is not None and options["fail_if_slower"] is not None:
        raise click.UsageError("--margin and --fail-if-slower exclude each other: the latter is the margin")
    check_writable(out)
    saved = Saved()

    def path_of(found: Duel) -> Path:
        return out / found.run.id / "duel.json"

    def save(found: Duel) -> None:
        saved.write(found, path_of(found))
        for name, arm in (("a", found.a), ("b", found.b)):
            if arm.result.rounds:
                saved.write_beside(arm_report(found, arm), f"{name}.json")

    def checkpoint(found: Duel) -> None:
        write_report(found, path_of(found))

    with saved.printing():
        with Terminal(message_console(), tells_failures=False) as display:
            found = run_duel(_settings(**options), ["crossrt", *sys.argv[1:]], display, save, checkpoint)
        if as_json:
            echo_json(found)
        print_duel(found, message_console() if as_json else result_console())
        if options["fail_if_slower"] is not None:
            click.echo(f"\n{gate_line(found)}", err=as_json)
        click.echo(f"\nduel: {saved.path}", err=as_json)
    return _exit_code(found, fails=options["fail_if_slower"] is not None) or int(saved.is_elsewhere)


def _settings(
    *,
    a: str,
    b: str | None,
    python_b: Path | None,
    margin: float | None,
    fail_if_slower: float | None,
    budget: float,
    batch: int | None,
    model: Path | None,
    **shared: Any,
) -> DuelSettings:
    from crossrt.cli.shared.options import bench_settings, configured_models
    from crossrt.harness.measure.duel.arms import parse_side
    from crossrt.harness.measure.settings import DuelSettings

    allowed = margin if fail_if_slower is None else fail_if_slower
    sides = tuple(path for text in (a, b or a) if (path := parse_side(text).path) is not None)
    if model is not None:
        models: tuple[Path, ...] = (model,)
    else:
        models = () if sides or shared["artifacts"] else configured_models()
    run = bench_settings(models=models, sides=sides, batch=(batch,) if batch else (), **shared)
    return DuelSettings(
        run=run,
        a=a,
        b=b or a,
        python_b=python_b,
        margin=0.02 if allowed is None else allowed,
        budget_s=budget,
        is_gate=fail_if_slower is not None,
    )


def _exit_code(found: Duel, *, fails: bool) -> int:
    from crossrt.reports.verdicts.duel import judge_duel

    if found.run.status == "interrupted":
        return 1 if found.run.broken_off else 130
    if "failed" in (found.a.result.status, found.b.result.status):
        return 1
    return int(fails and judge_duel(found).b_is_slower)
