"""Measures the figures that the README quotes: `python tests/benchmarks/figures.py`, some ten minutes, quiet machine.

Runs the installed `crossrt` with a cache of its own, and prints a Markdown table of what was measured beside the goal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import msgspec
import numpy as np

from crossrt.exporters.sources.keras_file import SHIPPED_MODEL
from crossrt.harness.build.exported import read_folder
from crossrt.harness.evaluate.evaluation import CHECK_BATCH
from crossrt.harness.evaluate.workspace import open_workspace
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.statistics.metrics import derive_metrics
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
STARTS = 11
QUANTIZE = ("quantize", "--out", "lab", "--min-agreement", "0", "--model", "copy.keras")


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


HISTOGRAMS = """
import sys, tempfile
from pathlib import Path
from crossrt.exporters.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxStatic
from crossrt.harness.process.worker import peak_memory_bytes
with tempfile.TemporaryDirectory() as folder:
    quantizer = OnnxQuantizer(Path(sys.argv[1]), Path(folder))
    for method in ("entropy", "percentile", "distribution"):
        recipe = OnnxStatic(calibrate_method=method, calibration_samples=10_000)
        quantizer.quantize(recipe, Path(folder) / "out.onnx")
print(peak_memory_bytes(), file=sys.stderr)
"""


def histogram_memory(folder: Path) -> str:
    """High-water mark of a process that calibrates by all three histogram methods with every shipped digit."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "float.onnx"  # quantizers leave files beside their input
        copy.write_bytes((folder / "mnist-cnn.fp32.onnx").read_bytes())
        done = subprocess.run(
            [sys.executable, "-c", HISTOGRAMS, str(copy)], check=True, capture_output=True, text=True, cwd=folder
        )
    return f"{int(done.stderr.split()[-1]) / 2**20:.0f} MiB"


def evaluation_ratio(folder: Path) -> str:
    """Time of an evaluation over that of the same batches in a bare loop; the median of several, taken in turns."""
    artifact = read_folder(folder).artifacts["mnist-cnn.int8-qdq.onnx"]
    session = get_runtime("ort-cpu").prepare(artifact, SessionOptions(batch_size=CHECK_BATCH))
    ratios = []
    with open_workspace() as workspace, CaseWorker(1, WorkerLimits()) as worker:
        worker.start_import("ort-cpu")
        worker.finish_import()
        worker.load(artifact, Scenario(batch_size=CHECK_BATCH, threads=1))
        images = np.load(workspace.images)
        feeds = [{session.inputs[0].name: batch} for batch in np.split(images, len(images) // CHECK_BATCH)]
        for _ in range(STARTS):
            started = time.perf_counter()
            for feed in feeds:
                session.run(feed)
            bare = time.perf_counter() - started
            started = time.perf_counter()
            worker.evaluate(workspace.images, CHECK_BATCH, workspace.folder / "logits.npy")
            ratios.append((time.perf_counter() - started) / bare)
    return f"{median(ratios):.2f} times"


def fifty_cases(path: Path, folder: Path) -> None:
    """A report of 50 cases, made of a real one by giving its cases further names."""
    report = read_report(next(folder.glob("results/*/report.json")))
    real = report.results
    results = tuple(
        msgspec.structs.replace(each, case=each.case.replace("@", f"-{number}@", 1))
        for number in range(50 // len(real) + 1)
        for each in real
    )[:50]
    metrics = derive_metrics(results, report.artifacts, report.run.settings.baseline)
    write_report(msgspec.structs.replace(report, results=results, metrics=metrics, distances=()), path)


OPENING = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


def opening_ms(path: Path) -> float:
    """How long Chromium takes to load a page; the median of several."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for each in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(each)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver")) as driver:
        found = []
        for _ in range(STARTS):
            driver.get(path.as_uri())
            found.append(float(driver.execute_script(OPENING)))
    return median(found)


def page(figures: Figures, folder: Path) -> None:
    """Making, size and opening of the page of 50 cases."""
    fifty_cases(folder / "fifty.json", folder)
    figures.milliseconds("`crossrt report --html`, 50 cases", 3000, "report", "fifty.json", "--html", "fifty.html")
    path = folder / "fifty.html"
    figures.rows.append(("size of that page", f"{path.stat().st_size / 1e6:.2f} MB", "at most 2 MB"))
    figures.rows.append(("opening it in Chromium", f"{opening_ms(path):.0f} ms", "under 1,000 ms"))


def measure(figures: Figures, folder: Path) -> None:
    """All figures, in the order of the README."""
    steps: list[Callable[[], None]] = [
        lambda: figures.seconds("building all artifacts from cold", 60, "export", "--out", "exported"),
        lambda: figures.seconds("`crossrt bench --quick`, artifacts cached", 25, "bench", "--quick"),
        lambda: figures.seconds("`crossrt bench`, artifacts cached", 75, "bench"),
        figures.parent_share,
        lambda: figures.milliseconds("`crossrt --help`", 150, "--help"),
        lambda: figures.milliseconds("`crossrt show`", 300, "show", str(next(folder.glob("results/*")))),
        lambda: page(figures, folder),
        lambda: figures.seconds("building and checking all shipped recipes from cold", 150, *QUANTIZE),
        lambda: figures.rows.append(
            (
                "histogram calibration with 10,000 digits, peak memory",
                histogram_memory(folder / "exported"),
                "under 600 MiB",
            )
        ),
        lambda: figures.rows.append(
            (
                "evaluation on 10,000 digits against a bare loop",
                evaluation_ratio(folder / "exported"),
                "at most 1.5 times",
            )
        ),
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
        shutil.copy(SHIPPED_MODEL, Path(name) / "copy.keras")  # another name, so that nothing is in the cache
        measure(figures, Path(name))
    click.echo("| what | measured | goal |\n|---|---|---|")
    for row in figures.rows:
        click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
