"""`crossrt report`: a saved report as files that other tools read."""

from __future__ import annotations

from pathlib import Path

import click

from reports.exchange.registry import FORMATS

_LISTED = "\n".join(f"{name:<24} {each.summary}" for name, each in FORMATS.items())


@click.command(short_help="Turn a saved report into files that other tools read.", epilog=f"\b\nFormats:\n{_LISTED}")
@click.argument("reports", metavar="REPORT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "name", metavar="FORMAT", type=click.Choice(list(FORMATS)), required=True, help="See below.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write, or the folder for formats of several files.  [default: standard output]",
)
def report(reports: tuple[Path, ...], name: str, out: Path | None) -> None:
    """Write REPORT, a report.json or the folder that holds one, as other tools read it.

    \b
    crossrt report results/run --to csv --out run.csv
    crossrt report results/before results/after --to asv --out asv
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from harness.commands.exchange import export

    export(reports, name, out)
