"""`crossrt show`: a saved report again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Print a saved report.")
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--format", "style", type=click.Choice(["table", "markdown", "json"]), default="table", show_default=True)
@click.option(
    "--case", metavar="PATTERN", help="Details of one case: per-class scores, confusion matrix, failure output."
)
def show(report: Path, style: str, case: str | None) -> None:
    """Print REPORT, a report.json or the folder that holds one, as tables, Markdown or JSON."""
    from reports.files import read_report

    path = report / "report.json" if report.is_dir() else report
    loaded = read_report(path)
    if case is not None:
        from harness.commands.options import result_console
        from reports.details import print_details

        print_details(loaded, case, result_console())
    elif style == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(loaded), indent=2))
    elif style == "markdown":
        from reports.markdown import report_as_markdown

        click.echo(report_as_markdown(loaded), nl=False)
    else:
        from harness.commands.options import result_console
        from reports.tables import print_report

        print_report(loaded, result_console())
