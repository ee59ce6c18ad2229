"""`crossrt show`: a saved report again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Print a saved report.")
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--format", "style", type=click.Choice(["table", "markdown", "json"]), default="table", show_default=True)
@click.option(
    "--case",
    metavar="PATTERN",
    help="Details of the cases whose id contains PATTERN: per-class scores, confusion matrix, failure output.",
)
def show(report: Path, style: str, case: str | None) -> None:
    """Print REPORT, a report.json or the folder that holds one, as tables, Markdown or JSON."""
    from reports.files import read_report

    if case is not None and style != "table":
        raise click.UsageError("--case prints tables only: leave out --format")
    loaded = read_report(_report_in(report) if report.is_dir() else report)
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


def _report_in(folder: Path) -> Path:
    """The report in a run's folder; a folder of runs is a question which."""
    runs = sorted(folder.glob("*/report.json"))
    if runs and not (folder / "report.json").is_file():
        newest = "\n  ".join(str(path.parent) for path in runs[-5:])
        raise click.UsageError(f"{folder} holds {len(runs)} runs: name one of them; the newest are\n  {newest}")
    return folder / "report.json"
