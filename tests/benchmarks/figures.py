"""Measures the figures that the README quotes: `python tests/benchmarks/figures.py`, some five minutes, quiet machine.

Runs the installed `crossrt` with a cache of its own, and prints a Markdown table of what was measured beside the goal.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click

from reports.files import read_report

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
STARTS = 11


class Figures:
    """Runs commands in a scratch folder and collects rows of the table."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, "CROSSRT_CACHE_DIR": str(folder / "cache")}
        self.rows: list[tuple[str, str, str]] = []

    def crossrt(self, *arguments: str) -> float:
        """Seconds that a command takes."""
        started = time.perf_counter()
        subprocess.run(
            [CROSSRT, *arguments], cwd=self._folder, env=self._environment, check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - started

    def seconds(self, what: str, goal_s: float, *arguments: str) -> None:
        """A long command, once."""
        self.rows.append((what, f"{self.crossrt(*arguments):.1f} s", f"at most {goal_s:g} s"))

    def milliseconds(self, what: str, goal_ms: float, *arguments: str) -> None:
        """A short command: the median of several, after one that warms the file cache."""
        self.crossrt(*arguments)
        found = median(self.crossrt(*arguments) for _ in range(STARTS))
        self.rows.append((what, f"{found * 1000:.0f} ms", f"at most {goal_ms:g} ms"))

    def parent_share(self) -> None:
        """What the default run noted of its own parent process."""
        newest = max(self._folder.glob("results/*/report.json"), key=lambda path: path.stat().st_mtime)
        share = read_report(newest).run.parent_cpu_share or 0.0
        self.rows.append(("parent process while workers measure", f"{share:.1%} of a core", "under 5%"))


def harness_error(folder: Path) -> str:
    """The line of `harness_overhead.py` for the fastest case."""
    script = Path(__file__).with_name("harness_overhead.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], check=True, capture_output=True, text=True, cwd=folder
    )
    return done.stdout.strip().splitlines()[-1]


def measure(figures: Figures, folder: Path) -> None:
    """All figures, in the order of the README."""
    steps: list[Callable[[], None]] = [
        lambda: figures.seconds("building all artifacts from cold", 60, "export", "--out", "exported"),
        lambda: figures.seconds("`crossrt bench --quick`, artifacts cached", 25, "bench", "--quick"),
        lambda: figures.seconds("`crossrt bench`, artifacts cached", 75, "bench"),
        figures.parent_share,
        lambda: figures.milliseconds("`crossrt --help`", 150, "--help"),
        lambda: figures.milliseconds("`crossrt show`", 300, "show", str(next(folder.glob("results/*")))),
        lambda: figures.rows.append(
            ("p50 against a bare loop, fastest case", harness_error(folder / "exported"), "within 2%")
        ),
    ]
    for step in steps:
        step()
        click.echo(" | ".join(figures.rows[-1]), err=True)


def main() -> None:
    """Measures and prints the table."""
    with tempfile.TemporaryDirectory() as name:
        figures = Figures(Path(name))
        measure(figures, Path(name))
    click.echo("| what | measured | goal |\n|---|---|---|")
    for row in figures.rows:
        click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
