"""A comparison in the format that the user asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from crossrt.reports.verdicts.comparison.findings import Comparison

FORMATS = ("table", "markdown", "json", "junit")


def show_comparison(comparison: Comparison, style: str, title: str, *, everything: bool) -> None:
    """Prints it, and adds it to the summary of a GitHub job where there is one."""
    from crossrt.cli.shared.step_summary import add_to_step_summary
    from crossrt.reports.verdicts.comparison.render import comparison_as_markdown

    if style == "json":
        from crossrt.cli.shared.json_output import echo_json

        echo_json(comparison)
    elif style == "junit":
        from crossrt.reports.verdicts.comparison.junit import comparison_as_junit

        click.echo(comparison_as_junit(comparison, title), nl=False)
    elif style == "markdown":
        click.echo(comparison_as_markdown(comparison, everything=everything, title=title), nl=False)
    else:
        from crossrt.cli.shared.options import result_console
        from crossrt.reports.verdicts.comparison.render import print_comparison

        print_comparison(comparison, result_console(), everything=everything)
    add_to_step_summary(comparison_as_markdown(comparison, title=title))
