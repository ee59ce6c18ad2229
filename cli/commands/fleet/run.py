"""`crossrt fleet run`: the jobs of a fleet on a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.cli.exit_codes import INTERRUPTED
from crossrt.cli.shared.json_output import json_option
from crossrt.cli.shared.option_types import COUNT, FiniteRange

if TYPE_CHECKING:
    from crossrt.fleet.plans.machines import Fleet
    from crossrt.fleet.running.kept import Kept
    from crossrt.fleet.running.rows import Row
    from crossrt.fleet.running.schedule import Patience


@click.command(short_help="Measure on each machine of a Ray cluster.")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--ray",
    "address",
    metavar="ADDRESS",
    required=True,
    help="Head of the cluster: HOST:PORT or auto on one of its nodes, ray://HOST:PORT from elsewhere.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the reports, one of each machine; those that are there are not measured again.",
)
@click.option(
    "--attempts",
    type=COUNT,
    default=5,
    show_default=True,
    help="How many nodes may die under a machine's job before it fails.",
)
@click.option(
    "--wait",
    "wait_s",
    type=FiniteRange(0, 86_400),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long a job waits for a node that it fits, and there for crossrt runs that are not of this fleet.",
)
@json_option
def run(config: Path | None, address: str, out: Path, attempts: int, wait_s: float) -> int:
    """Measure what CONFIG says on each machine of its table [fleet], as tasks of Ray that take a whole node each.

    Without machines in CONFIG, every machine of the cluster is measured. Nodes that may be measured on are started with
    the resource crossrt-node, and have the same crossrt and the same folder. A job whose node dies is started again on
    another that fits it. Interrupt the command, and run it again to go on with what is missing.
    """
    import hashlib

    from crossrt.cli.commands.fleet.arguments import check_arguments
    from crossrt.cli.shared.config import FILE, nearest, read_tables
    from crossrt.core.owned import read_regular
    from crossrt.fleet.plans.machines import read_fleet, relative_name
    from crossrt.fleet.running.kept import About, Kept
    from crossrt.fleet.running.ray_cluster import check_address
    from crossrt.fleet.running.schedule import Patience
    from crossrt.harness.environment import installed_version
    from crossrt.harness.process.out import alone_in, check_writable, made_folder

    found = config or nearest()
    if found is None:
        raise click.UsageError(f"there is no {FILE} here or above: name a configuration")
    fleet = read_fleet(read_tables(found), str(found), needs=())
    check_arguments(fleet.arguments, str(found))
    name = relative_name(found, Path.cwd())
    check_address(address)
    check_writable(out)
    about = About(
        config_sha256=hashlib.sha256(read_regular(found)).hexdigest(),
        arguments=fleet.arguments,
        crossrt_version=installed_version("crossrt") or "unknown",
    )
    patience = Patience(attempts=attempts, wait_s=wait_s, job_s=60 * fleet.minutes)
    with made_folder(out), alone_in(out):
        rows, is_interrupted = _measured(fleet, name, address, Kept(out, about), patience)
    return _finish(rows, out, is_interrupted=is_interrupted)


def _measured(fleet: Fleet, config: str, address: str, kept: Kept, patience: Patience) -> tuple[list[Row], bool]:
    """What became of each machine, and whether that was interrupted."""
    from crossrt.cli.shared.options import message_console
    from crossrt.fleet.running.jobs import jobs_of
    from crossrt.fleet.running.ray_cluster import RayCluster
    from crossrt.fleet.running.records import Job, Node, Order
    from crossrt.fleet.running.schedule import Schedule
    from crossrt.harness.process.interrupts import interruptible
    from crossrt.reports.text.progress import Terminal

    def order(job: Job, node: Node) -> Order:
        return Order(
            machine=job.machine,
            version=kept.about.crossrt_version,
            folder=str(Path.cwd()),
            config=config,
            config_sha256=kept.about.config_sha256,
            arguments=fleet.arguments,
            cpus=node.cpus,
            seconds=60 * fleet.minutes,
            wait_seconds=patience.wait_s,
        )

    with interruptible(), Terminal(message_console()) as display, RayCluster(address) as cluster:
        schedule = Schedule(jobs_of(fleet, cluster.nodes()), cluster, order, kept, patience, display)
        try:
            schedule.run()
        except KeyboardInterrupt:
            return list(schedule.rows.values()), True
        return list(schedule.rows.values()), False


def _finish(rows: list[Row], out: Path, *, is_interrupted: bool) -> int:
    """Prints the table; returns the exit code."""
    from crossrt.cli.shared.options import result_console
    from crossrt.fleet.running.rows import exit_code, sheet_of
    from crossrt.reports.tables.terminal import print_sheet

    console = result_console()
    print_sheet(sheet_of(rows), console)
    if any(each.cases for each in rows):
        console.print(f"reports: {out}; crossrt fleet report {out} joins them", markup=False, soft_wrap=True)
    if is_interrupted:
        click.echo("crossrt: interrupted; the same command goes on with what is missing", err=True)
        return INTERRUPTED
    return exit_code(rows)
