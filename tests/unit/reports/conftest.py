from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from crossrt.core.evaluation import ClassDetails, ClassScore, Evaluation, OutputError, Packed
from crossrt.reports.schema.files import read_report
from crossrt.reports.schema.records import Control, Memory, Report, Result, Round
from crossrt.reports.schema.upgrade import TASK_METRICS
from crossrt.reports.statistics.metrics import MEASURED_METRICS, derive_metrics
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
def make_evaluation():
    """Makes the evaluation of `samples` answers of ten classes, of which the first `wrong` are wrong.

    The hash of the outputs follows from `seed` and `wrong`; `agreeing` is how many samples the reference answers alike.
    """

    def make(
        *, wrong: int = 2, seed: int = 0, reference: bool = True, samples: int = 200, agreeing: int | None = None
    ) -> Evaluation:
        labels = np.arange(samples) % 10
        given = (labels + (np.arange(samples) < wrong)) % 10
        confusion = np.bincount(labels * 10 + given, minlength=100).reshape(10, 10)
        alike = samples - wrong if agreeing is None else agreeing
        compared = {"agreement": alike / samples, "max_abs_error": 0.25} if reference else {}
        return Evaluation(
            task="classification",
            samples=samples,
            values={"top1": (samples - wrong) / samples, "macro_f1": 0.9, **compared},
            counts={"top1": samples - wrong, **({"agreement": alike} if reference else {})},
            per_sample={"top1": Packed.of(given == labels)},
            predictions=Packed.of(given.astype(np.int32)),
            reference_values={"top1": 1.0} if reference else {},
            outputs=(OutputError(output="logits", max_abs=0.25, mean_abs=0.1, relative=0.02, sqnr_db=34.0),)
            if reference
            else (),
            classes=ClassDetails(
                scores=tuple(ClassScore(precision=0.9, recall=0.9, f1=0.9, support=int(n)) for n in confusion.sum(1)),
                confusion=tuple(
                    (true, called, int(confusion[true, called])) for true, called in np.argwhere(confusion).tolist()
                ),
            ),
            answers_sha256=f"{1000 * seed + wrong:064x}",
        )

    return make


@pytest.fixture
def make_numbers():
    """Makes the evaluation of a regression whose samples have these absolute errors."""

    def make(errors) -> Evaluation:
        values = np.asarray(errors, np.float32)
        return Evaluation(
            task="regression",
            samples=len(values),
            values={"mae": float(values.mean())},
            per_sample={"mae": Packed.of(values)},
        )

    return make


@pytest.fixture
def make_round():
    """Makes a round whose calls have `median_ns` as their median, in blocks of one call or of `block`."""

    def make(index: int, median_ns: int, *, calls: int = CALLS, block: int = 1) -> Round:
        spread = tuple(max(0, median_ns + step) for step in range(-(calls // 2), calls - calls // 2))
        blocks = tuple(spread[start : start + block] for start in range(0, calls, block))
        return Round(index=index, position=0, load_ns=1_000_000, first_inference_ns=300_000, blocks_ns=blocks)

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
        found = []
        for index, level in enumerate(levels):
            load, first = int(5e6 * random.lognormal(0, 0.05)), int(5e5 * random.lognormal(0, 0.05))
            calls = level * random.lognormal(0, 0.004) * random.lognormal(0, 0.003, (blocks, 4))
            blocks_ns = tuple(tuple(block) for block in calls.astype(int).tolist())
            found.append(Round(index=index, position=0, load_ns=load, first_inference_ns=first, blocks_ns=blocks_ns))
        return tuple(found)

    return simulate


@pytest.fixture
def with_reference_workload():
    """Adds the rounds of a reference workload to a report."""

    def add(report: Report, rounds: tuple[Round, ...]) -> Report:
        reference = Control(kind="reference", of="numpy", batch_size=1, threads=1, rounds=rounds)
        return msgspec.structs.replace(report, controls=(reference,))

    return add


@pytest.fixture
def make_result(make_round, make_evaluation):
    """Makes the result of `<variant>@<runtime>`; anything else of it can be replaced."""

    def make(
        subject: str = "fp32@ort-cpu", *, batch_size: int = 1, medians=(50_000, 51_000, 52_000), **fields
    ) -> Result:
        variant, _, runtime = subject.partition("@")
        defaults = {
            "case": f"mnist-cnn.{subject}/b{batch_size}/t1",
            "subject": f"mnist-cnn.{subject}",
            "model": "mnist-cnn",
            "variant": variant,
            "artifact": f"mnist-cnn.{variant}.{'tflite' if runtime == 'tflite' else 'onnx'}",
            "runtime": runtime,
            "runtime_version": "1.0",
            "batch_size": batch_size,
            "threads": 1,
            "io": "float32",
            "status": "ok",
            "rounds": tuple(make_round(index, median) for index, median in enumerate(medians)),
            "evaluation": make_evaluation(),
            "memory": Memory(peak_bytes=70_000_000, before_load_bytes=50_000_000),
        }
        return Result(**{**defaults, **fields})

    return make


@pytest.fixture
def make_report(sample):
    """Makes a report of these results, with an artifact of 1,000 bytes more for each of them.

    Further arguments replace fields of the run; `definitions` are those of the task.
    """

    def make(*results: Result, definitions=TASK_METRICS, task: str = "classification", **run_fields) -> Report:
        ids = {result.artifact: result for result in results}
        artifacts = tuple(
            msgspec.structs.replace(
                sample.artifacts[0],
                id=each,
                model=result.model,
                variant=result.variant,
                sha256=f"{index:064x}",
                size_bytes=1000 * (index + 1),
            )
            for index, (each, result) in enumerate(ids.items())
        )
        metrics = derive_metrics(results, artifacts, sample.run.settings.baseline, definitions)
        return msgspec.structs.replace(
            sample,
            run=msgspec.structs.replace(sample.run, **run_fields),
            task=task,
            definitions=(*definitions, *MEASURED_METRICS),
            results=results,
            artifacts=artifacts,
            metrics=metrics,
        )

    return make


@pytest.fixture
def printed():
    """Prints a report, or the details of cases, as a log without colours, 80 columns wide unless told."""

    def show(report: Report, *, case: str | None = None, width: int = 80) -> str:
        console = Console(width=width, file=io.StringIO(), highlight=False)
        if case is None:
            print_report(report, console)
        else:
            print_details(report, case, console)
        return console.file.getvalue()

    return show
