"""Measures a history of many runs: `python tests/benchmarks/history_scale.py [--history URL]`, a quiet machine.

Fills an empty history with runs of thirty cases, ten rounds each, then times the installed `crossrt` on it and prints
a Markdown table. Runs are those of a simulated machine: what is added by the thousand is varied after the first report
was read, and the additions that are timed are of report files.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from statistics import median

import click
import msgspec
import numpy as np
from sqlalchemy import func, select

from crossrt.history.store.adding import add_entry
from crossrt.history.store.address import Address, parse_address
from crossrt.history.store.database import History, open_history
from crossrt.history.store.entries import Entry, read_entry_file
from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.schema.records import Control, KernelCounts, Report, Result, Round
from crossrt.reports.statistics.metrics import derive_metrics

SAMPLE = Path(__file__).parents[1] / "data" / "report-v1.json"
CROSSRT = str(Path(sys.executable).with_name("crossrt"))
ROUNDS, BLOCKS = 10, 12
CALLS = {1: 60, 32: 12}
"""Of a block, by batch size: too few at batch 32 for a 99th percentile, as in runs of crossrt bench."""
AT_ONCE = 50
TIMES = 5
NOISE = 0.01


def full_report() -> Report:
    """Thirty cases, fifteen variants at two batch sizes, with a reference workload."""
    sample, random = read_report(SAMPLE), np.random.default_rng(0)
    results = [
        _result(sample.results[0], f"v{variant:02}", batch_size, random)
        for batch_size in (1, 32)
        for variant in range(15)
    ]
    artifacts = tuple(
        msgspec.structs.replace(sample.artifacts[0], id=f"mnist-cnn.v{variant:02}.onnx", sha256=f"{variant:064}")
        for variant in range(15)
    )
    reference = Control(
        kind="reference",
        of="numpy",
        batch_size=1,
        threads=1,
        rounds=_rounds(40_000, CALLS[1], random),
    )
    return msgspec.structs.replace(
        sample,
        results=tuple(results),
        artifacts=artifacts,
        controls=(reference,),
        metrics=derive_metrics(results, artifacts, "mnist-cnn.v00@ort-cpu", sample.definitions),
    )


def _result(like: Result, variant: str, batch_size: int, random: np.random.Generator) -> Result:
    return msgspec.structs.replace(
        like,
        case=f"mnist-cnn.{variant}@ort-cpu/b{batch_size}/t1",
        subject=f"mnist-cnn.{variant}@ort-cpu",
        artifact=f"mnist-cnn.{variant}.onnx",
        variant=variant,
        batch_size=batch_size,
        rounds=_rounds(50_000 * batch_size, CALLS[batch_size], random),
        kernels=KernelCounts(integer=6, float=1, conversion=2, layout=3),
    )


def _rounds(level_ns: float, calls: int, random: np.random.Generator) -> tuple[Round, ...]:
    return tuple(
        Round(
            index=index,
            position=0,
            load_ns=int(5e6 * random.lognormal(0, 0.05)),
            first_inference_ns=int(5e5 * random.lognormal(0, 0.05)),
            blocks_ns=tuple(
                tuple((level_ns * random.lognormal(0, NOISE, calls)).astype(int).tolist()) for _ in range(BLOCKS)
            ),
        )
        for index in range(ROUNDS)
    )


def later(entry: Entry, number: int, random: np.random.Generator) -> Entry:
    """The same on another day: every time by another factor."""
    report, moment = entry.report, entry.started_at + timedelta(hours=number)
    run = msgspec.structs.replace(report.run, id=f"run-{number:06}", started_at=moment.isoformat())
    environment = msgspec.structs.replace(report.environment, git_revision=sha256(bytes(number)).hexdigest()[:40])
    factors = {result.case: float(random.normal(0, NOISE)) for result in report.results}
    metrics = tuple(
        msgspec.structs.replace(metric, value=metric.value * np.exp(factors[metric.case]))
        if metric.unit == "ns"
        else metric
        for metric in report.metrics
    )
    levels = {
        key: replace(level, plain=level.plain + factors[key[0]], relative=(level.relative or 0.0) + factors[key[0]])
        for key, level in entry.levels.items()
    }
    return replace(
        entry,
        report=msgspec.structs.replace(report, run=run, environment=environment, metrics=metrics),
        sha256=sha256(f"{number}".encode()).hexdigest(),
        started_at=moment,
        levels=levels,
    )


def fill(history: History, entry: Entry, count: int) -> None:
    """Adds runs, many in a transaction: how long that takes is not asked."""
    random = np.random.default_rng(1)
    with click.progressbar(range(0, count, AT_ONCE), label="filling", file=sys.stderr) as starts:
        for start in starts:
            with history.writing() as connection:
                for number in range(start, min(start + AT_ONCE, count)):
                    add_entry(connection, later(entry, number, random))


def size_bytes(history: History) -> int:
    """Of the whole history."""
    if history.address.path is not None:
        return history.address.path.stat().st_size
    with history.reading() as connection:
        return int(connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one())


def seconds(*arguments: str) -> float:
    """What a command takes, Python's start included: the median of several, after one that warms the file cache."""
    found = []
    for _ in range(TIMES + 1):
        started = time.perf_counter()
        done = subprocess.run([CROSSRT, "history", *arguments], capture_output=True, text=True)
        found.append(time.perf_counter() - started)
        if done.returncode not in (0, 1):
            raise click.ClickException(done.stderr)
    return median(found[1:])


def addition_seconds(history: History, report: Report, folder: Path, count: int) -> float:
    """What adding one report file takes, reading it and its statistics included."""
    found = []
    for number in range(TIMES):
        moment = later_moment(report, count + number)
        run = msgspec.structs.replace(report.run, id=f"added-{time.time_ns()}", started_at=moment)
        write_report(msgspec.structs.replace(report, run=run), folder / f"{number}.json")
        started = time.perf_counter()
        entry = read_entry_file(folder / f"{number}.json")
        with history.writing() as connection:
            add_entry(connection, entry)
        found.append(time.perf_counter() - started)
    return median(found)


def later_moment(report: Report, hours: int) -> str:
    """The time of a run, so many hours later."""
    from datetime import datetime

    return (datetime.fromisoformat(report.run.started_at) + timedelta(hours=hours)).isoformat()


def measure(address: Address, place: str, count: int, folder: Path) -> Iterator[tuple[str, str, str]]:
    """The rows of the table."""
    report = full_report()
    write_report(report, folder / "report.json")
    entry = read_entry_file(folder / "report.json")
    with open_history(address, writes=True) as history:
        fill(history, entry, 1)
        before = size_bytes(history)
        fill(history, entry, count)
        growth = (size_bytes(history) - before) / (count - 1)
        yield "growth of the history", f"{growth / 1000:.1f} KB a report", "under 50 KB"
        added = addition_seconds(history, report, folder, count)
        megabytes = (folder / "report.json").stat().st_size / 1e6
        yield f"`add`, one report file of {megabytes:.1f} MB", f"{added * 1000:.0f} ms", "at most 200 ms"
    now = msgspec.structs.replace(report.run, id="new", started_at=later_moment(report, count + 100))
    write_report(msgspec.structs.replace(report, run=now), folder / "new.json")
    commands = {
        "`trend latency_p50_ns`, one case": ("trend", "latency_p50_ns", "--case", "v03@ort-cpu/b1/"),
        "`trend latency_p50_ns`, all cases": ("trend", "latency_p50_ns"),
        "`gate`": ("gate", str(folder / "new.json")),
        "`list`": ("list",),
        "`show`": ("show", f"run-{count // 2:06}"),
    }
    for name, arguments in commands.items():
        yield name, f"{seconds(*arguments, '--history', place):.2f} s", "at most 1 s"


@click.command()
@click.option("--reports", "count", type=click.IntRange(min=20), default=10_000, show_default=True)
@click.option("--history", "place", help="An empty database.  [default: a SQLite file in the temporary folder]")
def main(count: int, place: str | None) -> None:
    """Fills a history, measures it and prints the table."""
    with tempfile.TemporaryDirectory() as name:
        place = place or str(Path(name) / "history.sqlite")
        click.echo(f"| {count:,} reports of 30 cases | measured | goal |\n|---|---|---|")
        for row in measure(parse_address(place), place, count, Path(name)):
            click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
