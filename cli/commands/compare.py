"""`crossrt compare`: a gate over two saved reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.cli.shared.comparison_output import FORMATS, show_comparison
from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import format_option
from crossrt.cli.shared.options import margin_option, only_option
from crossrt.cli.shared.report_files import ReportsPath

if TYPE_CHECKING:
    from crossrt.reports.schema.records import Report


@click.command(short_help="Did anything become worse from one saved report to another?")
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("current", type=click.Path(path_type=Path))
@margin_option
@only_option
@click.option(
    "--history",
    multiple=True,
    type=ReportsPath(),
    help="Earlier reports, or a folder of them: their spread between runs is allowed for. May be repeated.",
)
@click.option("--paired", is_flag=True, help="Compare within the rounds that both reports share, where they do.")
@click.option("--all", "everything", is_flag=True, help="Also show what stayed within its margin.")
@format_option(FORMATS)
@config_option()
def compare(
    baseline: Path,
    current: Path,
    margins: tuple[str, ...],
    only: tuple[str, ...],
    history: tuple[Path, ...],
    paired: bool,
    everything: bool,
    style: str,
) -> int:
    """Judge CURRENT against BASELINE: each is a report.json, the folder that holds one, `latest` or `previous`.

    Times are compared by intervals that no chance is likely to cross, accuracy sample by sample, the rest exactly. Exit
    codes: 0 fine, 1 a regression, 2 wrong usage or input, 3 nothing comparable.

    \b
    crossrt compare results/before results/after
    crossrt compare previous latest
    crossrt compare before.json after.json --margin latency_p50_ns=3% \\
        --margin 'int8*:size_bytes=off'
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.harness.run.saved_runs import report_in
    from crossrt.reports.schema.files import read_report
    from crossrt.reports.verdicts.comparison.basis import Question
    from crossrt.reports.verdicts.comparison.compare import compare_reports
    from crossrt.reports.verdicts.comparison.rules import rules_with

    question = Question(rules=rules_with(margins), only=only, history=_history(history), is_paired=paired)
    comparison = compare_reports(read_report(report_in(baseline)), read_report(report_in(current)), question)
    show_comparison(comparison, style, "crossrt compare", everything=everything)
    return comparison.exit_code


def _history(paths: tuple[Path, ...]) -> list[Report]:
    from crossrt.reports.schema.files import read_report
    from crossrt.reports.schema.folders import report_files

    return [read_report(path) for path in report_files(paths)]
