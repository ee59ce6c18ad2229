"""Times `crossrt fleet report` over many reports: `python tests/benchmarks/fleet_scale.py [--reports 1000]`.

Writes real-sized reports of a simulated fleet (thirty cases, ten rounds each), joins them from their folder and from a
history, and prints a Markdown table.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import click
import msgspec
from history_scale import CROSSRT, full_report
from msgspec.structs import replace

from crossrt.history.store.address import parse_address
from crossrt.history.store.collecting import add_files
from crossrt.reports.schema.files import write_atomically
from crossrt.reports.schema.records import Report

TIMES = 5


@click.command()
@click.option("--reports", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--machines", type=click.IntRange(min=1), default=20, show_default=True)
def main(reports: int, machines: int) -> None:
    """Prints seconds, the median of five."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = _write(full_report(), folder / "reports", reports, machines)
        history = folder / "history.sqlite"
        for _ in add_files(parse_address(str(history)), sorted((folder / "reports").rglob("report.json"))):
            pass
        rows = {
            f"folder ({size / 1e6:,.0f} MB)": _seconds(str(folder / "reports")),
            f"history ({history.stat().st_size / 1e6:,.0f} MB)": _seconds("--history", str(history)),
        }
    print(f"| {reports:,} reports of {machines} machines, from a | seconds |\n|---|---|")
    for source, seconds in rows.items():
        print(f"| {source} | {seconds:.2f} |")


def _write(report: Report, folder: Path, reports: int, machines: int) -> int:
    written = 0
    for number in range(reports):
        machine, began = number % machines, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        run = replace(report.run, id=f"run-{number:05}", started_at=began.isoformat())
        environment = replace(report.environment, name=f"machine-{machine}", cpu_model=f"CPU {machine}")
        content = msgspec.json.encode(replace(report, run=run, environment=environment))
        write_atomically(folder / f"{number:05}" / "report.json", content)
        written += len(content)
    return written


def _seconds(*arguments: str) -> float:
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        subprocess.run([CROSSRT, "fleet", "report", *arguments, "--json"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return median(times)


if __name__ == "__main__":
    main()
