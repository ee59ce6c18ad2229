"""How variants answer spoilt digits, beside the float32 model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from crossrt.analysis.corruption import CORRUPTIONS, STRENGTHS, corrupted
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.cli.progress import Display
from crossrt.harness.evaluate.evaluation import CHECK_BATCH
from crossrt.harness.evaluate.workspace import Workspace
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.harness.process.child import kill_all_children
from crossrt.reports.text.cells import Cell, Sheet, Tone
from crossrt.runtimes.registry import SHIPPED

CLEAN: Final = "as they are"
CONFIDENCE: Final = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """What was called, and what is right.

    Attributes:
        labels: True classes, `(digits,)`.
        called: Classes by artifact id and kind of corruption, `(strengths, digits)`; `CLEAN` has one strength.
        baseline: The artifact that the others are held against.
    """

    labels: NDArray[np.uint8]
    called: Mapping[str, Mapping[str, NDArray[np.intp]]]
    baseline: str


def run_robustness(
    artifacts: Sequence[ModelArtifact], workspace: Workspace, samples: int, seed: int, display: Display
) -> Robustness:
    """Evaluates artifacts, the first of which is the baseline, on the first test digits and on spoilt ones.

    Raises:
        ChildFailedError: A worker crashed, hung, or its model gave up.
    """
    images = np.load(workspace.images, mmap_mode="r")[:samples]
    called: dict[str, dict[str, list[NDArray[np.intp]]]] = {each.id: {} for each in artifacts}
    display.phase("spoiling digits", 1 + len(CORRUPTIONS) * len(STRENGTHS))
    with ExitStack() as stack, ThreadPoolExecutor(len(usable_cpus())) as pool:
        workers = {each.id: _worker(each, stack) for each in artifacts}
        try:
            for kind, spoilt in _sets(np.asarray(images), seed):
                path = workspace.folder / "spoilt.npy"
                np.save(path, spoilt, allow_pickle=False)
                futures = {
                    name: pool.submit(_evaluate, worker, workspace, number)
                    for number, (name, worker) in enumerate(workers.items())
                }
                for name, future in futures.items():
                    called[name].setdefault(kind, []).append(future.result())
                display.step(kind)
        except BaseException:
            kill_all_children()
            raise
    stacked = {name: {kind: np.stack(each) for kind, each in found.items()} for name, found in called.items()}
    return Robustness(labels=workspace.labels[:samples], called=stacked, baseline=artifacts[0].id)


def _sets(images: NDArray[np.float32], seed: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    yield CLEAN, images
    for kind in CORRUPTIONS:
        for strength in STRENGTHS:
            yield kind, corrupted(images, kind, strength, seed)


def _worker(artifact: ModelArtifact, stack: ExitStack) -> CaseWorker:
    runtime = next(name for name, shipped in SHIPPED.items() if artifact.format in shipped.formats)
    worker = stack.enter_context(CaseWorker(1, WorkerLimits()))
    worker.start_import(runtime)
    worker.finish_import()
    worker.load(artifact, Scenario(batch_size=CHECK_BATCH, threads=1))
    return worker


def _evaluate(worker: CaseWorker, workspace: Workspace, number: int) -> NDArray[np.intp]:
    path = workspace.folder / f"spoilt-logits-{number}.npy"
    worker.evaluate(workspace.folder / "spoilt.npy", CHECK_BATCH, path)
    called: NDArray[np.intp] = np.load(path).argmax(axis=1)
    return called


def mean_change(robustness: Robustness, name: str, kinds: Sequence[str]) -> tuple[float, float]:
    """Change of top-1 against the baseline over kinds and strengths, and half of its 99% interval.

    A digit counts once, by the mean of its changes: its spoilt versions are not independent of each other.
    """
    right = [
        np.concatenate([robustness.called[each][kind] == robustness.labels for kind in kinds]).astype(np.float64)
        for each in (name, robustness.baseline)
    ]
    by_digit = (right[0] - right[1]).mean(axis=0)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(by_digit) - 1))
    return float(by_digit.mean()), quantile * float(by_digit.std(ddof=1)) / len(by_digit) ** 0.5


def variant_sheet(robustness: Robustness, labels: Mapping[str, str]) -> Sheet:
    """A row for each variant: its change of top-1 on clean digits, on all corruptions, and on the worst of them.

    Args:
        robustness: What was found.
        labels: How artifacts are called.
    """
    rows = []
    for name in _others(robustness):
        worst = min(CORRUPTIONS, key=lambda kind: mean_change(robustness, name, [kind])[0])
        rows.append(
            (
                Cell(text=labels[name]),
                _change(robustness, name, [CLEAN]),
                _change(robustness, name, list(CORRUPTIONS)),
                _change(robustness, name, [worst]),
                Cell(text=worst),
            )
        )
    baseline = labels[robustness.baseline]
    title = f"Top-1 on {len(robustness.labels):,} digits against {baseline}, in points"
    columns = ("variant", "as they are", "all corruptions", "worst", "which")
    return Sheet(title=title, columns=columns, rows=tuple(rows))


def corruption_sheet(robustness: Robustness, labels: Mapping[str, str]) -> Sheet:
    """A row for each corruption: the baseline's top-1, and the variant that loses most."""
    rows = []
    for kind in (CLEAN, *CORRUPTIONS):
        right = robustness.called[robustness.baseline][kind] == robustness.labels
        cells = [Cell(text=kind), Cell(text=f"{100 * float(right.mean()):.2f}")]
        if others := _others(robustness):
            worst = min(others, key=lambda name: mean_change(robustness, name, [kind])[0])
            cells += [_change(robustness, worst, [kind]), Cell(text=labels[worst])]
        rows.append(tuple(cells))
    columns = ("digits", f"{labels[robustness.baseline]} %", "lowest change", "of")[: len(rows[0])]
    return Sheet(title="By corruption", columns=columns, rows=tuple(rows))


def _others(robustness: Robustness) -> list[str]:
    return [name for name in robustness.called if name != robustness.baseline]


def _change(robustness: Robustness, name: str, kinds: Sequence[str]) -> Cell:
    change, half = mean_change(robustness, name, kinds)
    tone: Tone | None = None
    if abs(change) > half:
        tone = "bad" if change < 0 else "good"
    return Cell(text=f"{100 * change:+.2f} ±{100 * half:.2f}", tone=tone)


LEGEND: Final = (
    "Changes of top-1 in points, mean over five strengths of each corruption, with half of the 99% interval over"
    " digits. A quantized model may lose more where digits are spoilt than where they are clean: its ranges were"
    " calibrated with clean ones."
)
