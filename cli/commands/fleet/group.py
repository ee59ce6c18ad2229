"""`crossrt fleet`: jobs for many machines, and their reports side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.commands.fleet.run import run
from crossrt.cli.commands.history.options import VARIABLE, address_of
from crossrt.cli.shared.json_output import echo_json, format_option
from crossrt.cli.shared.max_drop import max_drop_option
from crossrt.cli.shared.report_files import ReportsPath

if TYPE_CHECKING:
    from crossrt.fleet.joining.fleet import Group
    from crossrt.fleet.joining.runs import Chosen
    from crossrt.fleet.plans.written import Format

SERVICES = ("github", "gitlab", "slurm")


@click.group(short_help="Many machines: jobs for each, and one table of their reports.")
def fleet() -> None:
    """Measure one model on many machines, and see them side by side.

    \b
    crossrt fleet plan crossrt.toml --format github  jobs for each machine
    crossrt fleet run crossrt.toml --ray HOST:6379   the same on a Ray cluster
    crossrt fleet report reports                     a table of all reports
    crossrt fleet report --history postgresql://...  or of the newest runs
    """  # noqa: D301 - \b is click's mark for lines that stay as they are


fleet.add_command(run)


@fleet.command(short_help="Write the jobs of GitHub, GitLab or Slurm that measure on each machine.")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--format", "service", type=click.Choice(SERVICES), required=True, help="Who runs the jobs.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file.  [default: standard output]")
def plan(config: Path | None, service: Format, out: Path | None) -> None:
    """Write one job for each machine of the table [fleet] of CONFIG, and one that joins their reports.

    Each machine measures what CONFIG says (crossrt bench), one run at a time, and keeps its report also where a case
    failed. Run the command at the top of the repository. Without CONFIG, the nearest configuration is taken.
    """
    from crossrt.cli.commands.fleet.arguments import check_arguments
    from crossrt.cli.shared.config import FILE, nearest, read_tables
    from crossrt.fleet.plans.machines import read_fleet, relative_name
    from crossrt.fleet.plans.written import plan_text
    from crossrt.reports.schema.files import write_atomically

    found = config or nearest()
    if found is None:
        raise click.UsageError(f"there is no {FILE} here or above: name a configuration")
    machines = read_fleet(read_tables(found), str(found))
    check_arguments(machines.arguments, str(found))
    text = plan_text(machines, relative_name(found, Path.cwd()), service)
    if out is None:
        click.echo(text, nl=False)
        return
    write_atomically(out, text.encode())
    click.echo(f"jobs: {out}")


@fleet.command(short_help="One table of the reports of many machines.")
@click.argument("reports", nargs=-1, metavar="[REPORT]...", type=ReportsPath())
@click.option(
    "--history",
    "place",
    metavar="FILE_OR_URL",
    help=f"Join the newest runs of a history instead, such as that of {VARIABLE}.",
)
@max_drop_option
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page.")
@format_option(("table", "markdown", "json"))
def report(reports: tuple[Path, ...], place: str | None, max_drop: float, html: Path | None, style: str) -> None:
    """Join REPORT..., report files or folders of them: of each machine the newest complete run of each model.

    Machines that differ in hardware or in name stand in columns of their own. They are called what CROSSRT_MACHINE
    said when they measured, or by their environment's key. Times are shown beside each other and never judged across
    machines.
    """
    from crossrt.reports.packages import named_packages

    if bool(reports) == (place is not None):
        raise click.UsageError("name reports, or a history by --history: one of the two")
    with named_packages():
        from crossrt.fleet.joining.fleet import groups_of

        chosen = _chosen(reports, place)
        groups = groups_of(chosen)
        _print(groups, max_drop / 100, style)
        for name, reason in chosen.left_out.items():
            click.echo(f"crossrt: not joined: {name}: {reason}", err=True)
        if html is not None:
            _write_page(groups, max_drop / 100, html, quiet=style != "table")


def _chosen(reports: tuple[Path, ...], place: str | None) -> Chosen:
    if place is None:
        from crossrt.fleet.joining.runs import choose_files
        from crossrt.reports.schema.folders import report_files

        return choose_files(report_files(reports))
    from crossrt.fleet.joining.history_runs import choose_runs
    from crossrt.history.store.database import open_history

    with open_history(address_of(place)) as history, history.reading() as connection:
        return choose_runs(connection)


def _print(groups: list[Group], drop: float, style: str) -> None:
    from crossrt.cli.shared.options import result_console
    from crossrt.fleet.joining.text import fleet_as_markdown, print_fleet
    from crossrt.reports.tables.recording import RecordingConsole

    if style == "markdown":
        click.echo(fleet_as_markdown(groups, drop), nl=False)
        return
    console: Any = RecordingConsole() if style == "json" else result_console()
    print_fleet(groups, drop, console)
    if style == "json":
        echo_json(console.printed())


def _write_page(groups: list[Group], drop: float, path: Path, *, quiet: bool) -> None:
    from crossrt.fleet.joining.page import fleet_page
    from crossrt.reports.schema.files import write_atomically

    write_atomically(path, fleet_page(groups, drop).encode())
    if not quiet:
        click.echo(f"page: {path}")
