"""`crossrt history gate`: a report judged by the runs before it."""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.cli.commands.history.options import address_of, history_option
from crossrt.cli.shared.comparison_output import FORMATS, show_comparison
from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import format_option
from crossrt.cli.shared.options import margin_option, only_option


@click.command(short_help="Is a report worse than the runs before it?")
@click.argument("report", type=click.Path(path_type=Path))
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="RUNS",
    help="Runs to judge by, at most.",
)
@margin_option
@only_option
@click.option("--all", "everything", is_flag=True, help="Also show what stayed within its margin.")
@format_option(FORMATS)
@history_option
@config_option()
def gate(
    report: Path, last: int, margins: tuple[str, ...], only: tuple[str, ...], everything: bool, style: str, place: str
) -> int:
    """Judge REPORT by the newest runs before it that may be compared with it; it need not be in the history itself.

    How far those lie apart says how far the next one may lie from them, which a single baseline cannot tell. Metrics,
    margins, words and exit codes are those of crossrt compare: 0 fine, 1 a regression, 2 wrong usage or input, 3
    nothing comparable.
    """
    from crossrt.harness.run.saved_runs import report_in
    from crossrt.reports.packages import named_packages
    from crossrt.reports.verdicts.comparison.rules import rules_with

    with named_packages():
        from crossrt.history.judging.gate import judge_by_past
        from crossrt.history.judging.past import past_of
        from crossrt.history.store.database import open_history
        from crossrt.history.store.entries import read_entry_file

        rules = rules_with(margins)
        entry = read_entry_file(report_in(report))
        with open_history(address_of(place)) as opened, opened.reading() as connection:
            past = past_of(connection, entry, last)
    comparison = judge_by_past(entry, past, rules, only)
    show_comparison(comparison, style, "crossrt history gate", everything=everything)
    return comparison.exit_code
