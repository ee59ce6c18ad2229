from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from crossrt.reports.schema.files import read_report
from crossrt.reports.schema.records import Accuracy, Control, Memory, Report, Result, Round
from crossrt.reports.statistics.classification import judge_logits
from crossrt.reports.statistics.metrics import derive_metrics
from crossrt.reports.tables.details import print_details
from crossrt.reports.tables.terminal import print_report

SAMPLE = Path(__file__).parents[2] / "data" / "report-v1.json"
CALLS = 70


@pytest.fixture
def sample_path() -> Path:
    """A report file of schema version 1, as a real run wrote it, with fewer calls."""
    return SAMPLE


@pytest.fixture
def sample() -> Report:
    return read_report(SAMPLE)


@pytest.fixture
def make_accuracy():
    """Makes the accuracy of 200 answers, of which the first `wrong` are wrong; `seed` varies the logits' bits."""

    def make(*, wrong: int = 2, seed: int = 0, reference: bool = True) -> Accuracy:
        labels = np.arange(200, dtype=np.uint8) % 10
        logits = np.random.default_rng(seed).random((200, 10), dtype=np.float32)
        logits[np.arange(200), (labels + (np.arange(200) < wrong)) % 10] = 5.0
        return judge_logits(logits, labels, logits + np.float32(0.25) if reference else None)

    return make


@pytest.fixture
def make_round():
    """Makes a round whose calls have `median_ns` as their median."""

    def make(index: int, median_ns: int, *, calls: int = CALLS) -> Round:
        spread = tuple(max(0, median_ns + step) for step in range(-(calls // 2), calls - calls // 2))
        return Round(index=index, position=0, load_ns=1_000_000, first_run_ns=300_000, latency_ns=spread)

    return make


@pytest.fixture
def simulate_rounds():
    """Makes rounds of blocks of four calls around a level, in nanoseconds.

    Rounds differ by `layouts`, blocks by 0.4% and calls by 0.3%, as standard deviations of logarithms.
    """

    def simulate(
        level_ns: float, rounds: int, random: np.random.Generator, *, blocks: int, layouts: float = 0.0
    ) -> tuple[Round, ...]:
        levels = level_ns * random.lognormal(0, layouts, rounds) if layouts else np.full(rounds, level_ns)
        return tuple(
            Round(
                index=index,
                position=0,
                load_ns=int(5e6 * random.lognormal(0, 0.05)),
                first_run_ns=int(5e5 * random.lognormal(0, 0.05)),
                latency_ns=tuple(
                    (level * random.lognormal(0, 0.004) * random.lognormal(0, 0.003, 4 * blocks)).astype(int).tolist()
                ),
            )
            for index, level in enumerate(levels)
        )

    return simulate


@pytest.fixture
def anchored():
    """Adds the rounds of an anchor, in blocks of four calls, to a report."""

    def add(report: Report, rounds: tuple[Round, ...]) -> Report:
        anchor = Control(kind="anchor", of="numpy", batch_size=1, threads=1, calls_per_block=4, rounds=rounds)
        return msgspec.structs.replace(report, controls=(anchor,))

    return add


@pytest.fixture
def make_result(make_round, make_accuracy):
    """Makes the result of `<variant>@<runtime>`; anything else of it can be replaced."""

    def make(
        subject: str = "fp32@ort-cpu", *, batch_size: int = 1, medians=(50_000, 51_000, 52_000), **fields
    ) -> Result:
        variant, _, runtime = subject.partition("@")
        defaults = {
            "case": f"mnist-cnn.{subject}/b{batch_size}/t1",
            "artifact": f"mnist-cnn.{variant}.{'tflite' if runtime == 'tflite' else 'onnx'}",
            "runtime": runtime,
            "runtime_version": "1.0",
            "batch_size": batch_size,
            "threads": 1,
            "io": "float32",
            "status": "ok",
            "calls_per_block": 1,
            "rounds": tuple(make_round(index, median) for index, median in enumerate(medians)),
            "accuracy": make_accuracy(),
            "memory": Memory(peak_bytes=70_000_000, before_load_bytes=50_000_000),
        }
        return Result(**{**defaults, **fields})

    return make


@pytest.fixture
def make_report(sample):
    """Makes a report of these results, with an artifact of 1,000 bytes more for each of them."""

    def make(*results: Result, **run_fields) -> Report:
        ids = list(dict.fromkeys(result.artifact for result in results))
        artifacts = tuple(
            msgspec.structs.replace(sample.artifacts[0], id=each, size_bytes=1000 * (index + 1))
            for index, each in enumerate(ids)
        )
        metrics = derive_metrics(results, artifacts, sample.run.settings.baseline)
        run = msgspec.structs.replace(sample.run, **run_fields)
        return msgspec.structs.replace(sample, run=run, results=results, artifacts=artifacts, metrics=metrics)

    return make


@pytest.fixture
def printed():
    """Prints a report, or the details of cases, as a log 80 columns wide without colours."""

    def show(report: Report, *, case: str | None = None) -> str:
        console = Console(width=80, file=io.StringIO(), highlight=False)
        if case is None:
            print_report(report, console)
        else:
            print_details(report, case, console)
        return console.file.getvalue()

    return show
