"""How often the gates are right: `python tests/benchmarks/gate_power.py EXPORTED`, two and a half hours for all cells.

EXPORTED is a folder that `crossrt export` wrote. A runtime is slowed by known shares of each call (`tests/data/slowed`)
on the machine as it is and under a bursty load on every core (`bursts.py`). Each trial asks the same question of

- `crossrt duel --fail-if-slower 2%`,
- pytest-benchmark, `--benchmark-compare-fail=median:5%` over two runs of one benchmark,
- min-of-n: the fastest call of the same two runs, 5% apart,
- `crossrt compare` over two reports of `crossrt bench`, minutes apart, with its default margin of 5%.

Every trial is one line of `--results`; a script that was stopped goes on where it was. The table says how often each
called the second one slower.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import click
import msgspec

from crossrt.reports.schema.files import read_duel, read_report
from crossrt.reports.schema.records import Report
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.duel import judge_duel

HERE = Path(__file__).parent
CROSSRT = str(Path(sys.executable).with_name("crossrt"))
SLOWED = HERE.parent / "data" / "slowed"
SLOWDOWNS = (0, 2, 3, 5, 10)
COMPARED = (0, 2, 3, 5, 10, 15)
TOLERANCE = 1.05
REPORTS = 28
"""Reports of one load; each is compared with the two after it, and for equal speeds with four."""
BENCHMARK = """
import numpy as np
from pathlib import Path
from crossrt.harness.build.exported import read_folder
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

def test_model(benchmark):
    artifact = read_folder(Path({folder!r})).artifacts[{artifact!r}]
    session = get_runtime({runtime!r}).prepare(artifact, SessionOptions())
    feeds = {{session.inputs[0].name: np.random.default_rng(0).random((1, 28, 28, 1), dtype=np.float32)}}
    benchmark.pedantic(session.run, args=(feeds,), iterations=1, rounds=2000, warmup_rounds=50)
"""


class Power:
    """Runs trials and keeps them in a file."""

    def __init__(self, exported: Path, variant: str, results: Path, scratch: Path) -> None:
        self._exported, self._variant = exported.absolute(), variant
        self._results, self._scratch = results.absolute(), scratch
        self._environment = {**os.environ, "PYTHONPATH": str(SLOWED)}
        self.trials = self._read()

    def _read(self) -> list[dict]:
        if not self._results.exists():
            return []
        return [json.loads(line) for line in self._results.read_text().splitlines()]

    def _done(self, **wanted: object) -> int:
        return sum(all(trial[name] == value for name, value in wanted.items()) for trial in self.trials)

    def _keep(self, **trial: object) -> None:
        self.trials.append(trial)
        with self._results.open("a") as file:
            file.write(json.dumps(trial) + "\n")
        click.echo(f"{trial}", err=True)

    def duels(self, load: str, number: int) -> None:
        """One A/B comparison for each slowdown, and two between equals: their errors are the rarest."""
        for percent in SLOWDOWNS[1:]:
            self.duel(load, percent, number)
        for again in (0, 1):
            self.duel(load, SLOWDOWNS[0], 2 * number + again)

    def duel(self, load: str, percent: int, number: int) -> None:
        """One A/B comparison with the slowed runtime, unless it was made before."""
        if self._done(load=load, method="duel", percent=percent) > number:
            return
        started = time.perf_counter()
        done = subprocess.run(
            [
                *(CROSSRT, "duel", f"{self._variant}@slowed-0", f"{self._variant}@slowed-{percent}"),
                *("--fail-if-slower", "2%", "--artifacts", str(self._exported)),
                *("--seed", str(number), "--out", str(self._scratch)),
            ],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode not in (0, 1):
            raise click.ClickException(done.stderr)
        path = Path(done.stdout.rsplit("duel: ", 1)[1].strip())
        judgement = judge_duel(read_duel(path))
        path.unlink()
        self._keep(
            load=load,
            method="duel",
            percent=percent,
            slower=done.returncode == 1,
            verdict=judgement.verdict,
            ratio=round(judgement.ratio.mean, 5),
            half=round(judgement.ratio.half, 5),
            rounds=judgement.rounds,
            seconds=round(seconds, 1),
        )

    def pytest_benchmark(self, load: str, number: int) -> None:
        """One baseline, and one run of each slowdown compared with it."""
        if self._done(load=load, method="pytest-benchmark", percent=SLOWDOWNS[-1]) > number:
            return
        baseline = self._stats(0)
        for percent in SLOWDOWNS:
            stats = self._stats(percent)
            for method, name in (("pytest-benchmark", "median"), ("min-of-n", "min")):
                ratio = stats[name] / baseline[name]
                self._keep(load=load, method=method, percent=percent, slower=ratio > TOLERANCE, ratio=round(ratio, 4))

    def _stats(self, percent: int) -> dict[str, float]:
        test, found = self._scratch / "test_model.py", self._scratch / "benchmark.json"
        artifact = f"mnist-cnn.{self._variant}.onnx"
        test.write_text(BENCHMARK.format(folder=str(self._exported), artifact=artifact, runtime=f"slowed-{percent}"))
        subprocess.run(
            [sys.executable, "-P", "-m", "pytest", "-q", "-c", os.devnull, str(test), f"--benchmark-json={found}"],
            env={**self._environment, "OMP_NUM_THREADS": "1"},
            cwd=self._scratch,
            check=True,
            capture_output=True,
        )
        return json.loads(found.read_text())["benchmarks"][0]["stats"]

    def report(self, load: str, number: int) -> None:
        """One report with every slowdown, to be compared with others of the same load."""
        folder = self._results.with_suffix("") / load
        if (folder / f"{number:03}.json").exists():
            return
        subprocess.run(
            [
                *(CROSSRT, "bench", "--artifacts", str(self._exported), "--batch", "1", "--seed", str(number)),
                *("--only", f"{self._variant}@slowed-*", "--out", str(self._scratch)),
            ],
            env=self._environment,
            check=True,
            capture_output=True,
        )
        folder.mkdir(parents=True, exist_ok=True)
        (path,) = self._scratch.glob("*/report.json")
        path.replace(folder / f"{number:03}.json")
        click.echo(f"report {number} of {load}", err=True)

    def compare(self, load: str) -> Iterator[dict]:
        """Each report compared with later ones."""
        paths = sorted((self._results.with_suffix("") / load).glob("*.json"))
        reports = [read_report(path) for path in paths]
        for distance in (1, 2, 3, 4):
            for baseline, current in zip(reports, reports[distance:], strict=False):
                for percent in COMPARED if distance <= 2 else (0,):
                    yield self._compared(baseline, current, load, percent)

    def _compared(self, baseline: Report, current: Report, load: str, percent: int) -> dict:
        comparison = compare_reports(
            only_case(baseline, self._variant, 0), only_case(current, self._variant, percent), Question()
        )
        return {
            "load": load,
            "method": "compare",
            "percent": percent,
            "slower": any(each.is_regression for each in comparison.findings),
        }


def only_case(report: Report, variant: str, percent: int) -> Report:
    """The report with one of the slowed cases alone, under one name."""
    name = f"mnist-cnn.{variant}@slowed/b1/t1"
    results = tuple(
        msgspec.structs.replace(result, case=name, subject=name.partition("/")[0], runtime="slowed")
        for result in report.results
        if result.runtime == f"slowed-{percent}"
    )
    metrics = tuple(
        msgspec.structs.replace(metric, case=name) for metric in report.metrics if f"@slowed-{percent}/" in metric.case
    )
    return msgspec.structs.replace(report, results=results, metrics=metrics)


@contextmanager
def under(load: str) -> Iterator[None]:
    """Runs the bursty load beside the block, or nothing."""
    if load == "quiet":
        yield
        return
    process = subprocess.Popen([sys.executable, str(HERE / "bursts.py")], start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def table(trials: list[dict]) -> str:
    """How often the second one was called slower, as Markdown."""
    lines = ["| load | method | " + " | ".join(f"{each}%" for each in COMPARED) + " |", "|---" * 8 + "|"]
    for load in ("quiet", "bursty"):
        for method in ("duel", "compare", "pytest-benchmark", "min-of-n"):
            cells = [cell(trials, load, method, percent) for percent in COMPARED]
            lines.append(f"| {load} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(trials: list[dict], load: str, method: str, percent: int) -> str:
    """`3 of 50`."""
    found = [
        trial["slower"]
        for trial in trials
        if (trial["load"], trial["method"], trial["percent"]) == (load, method, percent)
    ]
    return f"{sum(found)} of {len(found)}" if found else ""


def durations(trials: list[dict]) -> str:
    """How long the A/B comparisons took."""
    lines = []
    for load in ("quiet", "bursty"):
        seconds = sorted(trial["seconds"] for trial in trials if trial["load"] == load and trial["method"] == "duel")
        if seconds:
            lines.append(f"{load}: {len(seconds)} duels, median {median(seconds):.1f} s, longest {seconds[-1]:.1f} s")
    return "\n".join(lines)


@click.command()
@click.argument("exported", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--trials", default=50, help="Trials a cell; twice as many where nothing is slowed.")
@click.option("--variant", default="fp32", help="The ONNX variant that is timed.")
@click.option("--load", "loads", multiple=True, default=("quiet", "bursty"), help="Which loads.")
@click.option("--part", "parts", multiple=True, default=("duel", "compare"), help="Which trials.")
@click.option(
    "--results", type=click.Path(path_type=Path), default=Path("gate-power.jsonl"), help="Where trials are kept."
)
def main(
    exported: Path, trials: int, variant: str, loads: tuple[str, ...], parts: tuple[str, ...], results: Path
) -> None:
    """Runs what is missing and prints the table."""
    with tempfile.TemporaryDirectory() as scratch:
        power = Power(exported, variant, results, Path(scratch))
        for load in loads:
            with under(load):
                for number in range(trials):
                    if "duel" in parts:
                        power.duels(load, number)
                        power.pytest_benchmark(load, number)
                    if "compare" in parts and number * REPORTS // trials > (number - 1) * REPORTS // trials:
                        power.report(load, number)
        compared = [trial for load in ("quiet", "bursty") for trial in power.compare(load)]
    click.echo(table([*power.trials, *compared]))
    click.echo(durations(power.trials))


if __name__ == "__main__":
    main()
