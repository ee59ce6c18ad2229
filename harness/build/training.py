"""Runs the training process of a bundled architecture and follows it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossrt.core.errors import DataError
from crossrt.core.install import BACKEND_NAMES
from crossrt.core.memory import BUILDING_BYTES, memory_limit
from crossrt.datasets.reference import Reference, TrainingJob, references
from crossrt.harness.build.keras_backend import training_backend
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.out import check_writable
from crossrt.harness.process.packages import QUIET, check_packages
from crossrt.reports.text.progress import Display
from crossrt.reports.text.training import TrainingView

EPOCH_TIMEOUT_S = 7200.0
"""Between two events: a trainer that reports epochs alone may take so long for one."""
_GPU = "CUDA_VISIBLE_DEVICES"
"""A GPU is used where this names one: without it the same command gives the same result on a machine that has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What to train.

    Attributes:
        architecture: One of `architectures()`.
        out: The `.keras` file to write.
        data: A folder or file, a word that the data set knows, or None for its default.
        recipe: How, or None for the default of the data set.
        epochs: How often all samples are seen, or None for what the recipe says.
        seed: Of weights, order and changes, or None for that of the data set.
        resumes: Go on after the last checkpoint.
    """

    architecture: str
    out: Path
    data: str | None = None
    recipe: str | None = None
    epochs: int | None = None
    seed: int | None = None
    resumes: bool = False


def architectures() -> tuple[str, ...]:
    """Names of everything that can be trained, the default first."""
    return tuple(name for each in references() for name in each.architectures)


def run_training(request: TrainingRequest, display: Display) -> float:
    """Trains in a process of its own and returns the top-1 on the test samples after the last epoch.

    Raises:
        DataError: The data cannot be used, or training failed.
        HarnessError: There is no such architecture or recipe, the output cannot be written, or training broke off.
    """
    job = job_for(request)
    check_writable(request.out.parent)
    backend = training_backend()
    check_packages("training", (backend, "keras"))
    request.out.parent.mkdir(parents=True, exist_ok=True)
    found = _Followed(display=display, epochs=job.epochs, keeps=bool(job.course))
    display.phase("starting", None)
    if backend != "tensorflow":
        display.remark(f"  Keras on {BACKEND_NAMES[backend]}")
    module = _reference_with(request.architecture).training
    variables = {**QUIET, _GPU: os.environ.get(_GPU, ""), "KERAS_BACKEND": backend}
    with ChildProcess(module, variables=variables, memory_limit_bytes=memory_limit([], 2 * BUILDING_BYTES)) as child:
        child.send(dataclasses.asdict(job))
        try:
            while (event := child.receive(EPOCH_TIMEOUT_S))["event"] != "finished":
                found.follow(event)
        except ChildFailedError as failure:
            raise HarnessError(
                f"training broke off: {failure.reason}{found.go_on()}\n{failure.stderr_tail}"
            ) from failure
        except KeyboardInterrupt:
            if found.go_on():
                display.remark(f"  stopped{found.go_on()}")
            raise
    return found.top1


def job_for(request: TrainingRequest) -> TrainingJob:
    """What is asked of the training process.

    Raises:
        HarnessError: Something was asked for that there is not, or an earlier training would be overwritten.
    """
    reference, out = _reference_with(request.architecture), request.out
    if out.suffix != ".keras":
        raise HarnessError(f"{out} does not end in .keras, the only format that Keras 3 saves: rename it")
    if request.recipe is not None and request.recipe not in reference.recipes:
        known = f"available: {', '.join(reference.recipes)}" if reference.recipes else "leave out --recipe"
        raise HarnessError(f"{request.architecture} has no recipe {request.recipe!r}; {known}")
    if request.resumes and not reference.course:
        raise HarnessError(f"{request.architecture} is trained in minutes, without checkpoints: leave out --resume")
    checkpoints = out.with_suffix(".checkpoints")
    if reference.course and not request.resumes and checkpoints.is_dir() and any(checkpoints.iterdir()):
        raise HarnessError(
            f"{checkpoints} holds an earlier training: go on with it by --resume, delete it, or choose another --out"
        )
    if request.data is None and reference.how_to_get:
        raise HarnessError(
            f"{request.architecture} is trained on a whole data set, which does not come with crossrt: give --data"
            f" FOLDER, --data download, or --data shipped to try the command on the few samples that do."
            f" {reference.how_to_get}"
        )
    return TrainingJob(
        architecture=request.architecture,
        data=request.data or reference.training_data[0],
        out=str(out),
        epochs=request.epochs or reference.epochs,
        seed=reference.seed if request.seed is None else request.seed,
        recipe=request.recipe or (reference.recipes[0] if reference.recipes else ""),
        course=reference.course,
        checkpoints=str(checkpoints),
        curves=str(out.with_suffix(".curves.jsonl")),
        resumes=request.resumes,
    )


def _reference_with(architecture: str) -> Reference:
    for each in references():
        if architecture in each.architectures:
            return each
    raise HarnessError(f"{architecture!r} is not an architecture; available: {', '.join(architectures())}")


@dataclass(slots=True, kw_only=True)
class _Followed:
    """What the process said so far."""

    display: Display
    epochs: int
    top1: float = 0.0
    last: int = 0
    keeps: bool = False
    view: TrainingView | None = None

    def follow(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "failed":
                raise DataError(event["reason"])
            case "resumed":
                self.last, self.top1 = event["epoch"], event["validation_metric"]
                self.display.remark(f"  going on after epoch {self.last}")
            case "started":
                self._start(event)
            case "epoch":
                self.last, self.top1 = event["epoch"], event["validation_metric"]
        if self.view is not None:
            self.view.follow(event)

    def go_on(self) -> str:
        if not self.keeps or not 0 < self.last < self.epochs:
            return ""
        return f"; the same command with --resume goes on after epoch {self.last}"

    def _start(self, event: Mapping[str, Any]) -> None:
        self.epochs = event["epochs"]
        self.display.remark(
            f"  {event['parameters']:,} parameters; {event['samples']:,} samples,"
            f" {event['validation_samples']:,} test samples to validate on"
        )
        self.view = TrainingView(self.display, "accuracy", self.epochs)
        self.view.start(self.last)
