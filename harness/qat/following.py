"""The training process, and what a user sees of it while it runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossrt.core.install import BACKEND_NAMES, Backend
from crossrt.core.memory import BUILDING_BYTES, memory_limit
from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.qat.jobs import QatJob
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.packages import QUIET
from crossrt.reports.text.progress import Display
from crossrt.reports.text.training import TrainingView, shown

TRAINING_BYTES = 2 * BUILDING_BYTES
"""What training may take: it keeps all activations of a batch."""

EVENT_TIMEOUT_S = 3600.0
"""Between two events: a validation of a large data set sends none."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Followed:
    """What the process said.

    Attributes:
        metric: Name of what is scored.
        task: What was learnt.
        float_metric: The source model's.
        best: The epoch that was written.
        last: The last epoch that is finished.
        notes: What a reader must know.
        built: Names of what was written.
        view: Shows the training, once it has begun.
    """

    metric: str = "accuracy"
    task: str = "classification"
    float_metric: float | None = None
    best: int = 0
    last: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)
    built: list[str] = dataclasses.field(default_factory=list)
    view: TrainingView | None = None


def train(
    job: QatJob,
    display: Display,
    module: str = "crossrt.exporters.training.qat.run",
    *,
    backend: Backend = "tensorflow",
    begins: bool = True,
) -> Followed:
    """Runs the process of a module to its end, with Keras on a backend; one that does not begin goes on with a phase.

    Raises:
        ExportError: The model or the data cannot be used, or training failed.
        HarnessError: The process broke off.
    """
    found = Followed()
    if begins:
        display.phase("starting", None)
    if backend != "tensorflow":
        display.remark(f"  Keras on {BACKEND_NAMES[backend]}")
    limit = memory_limit([Path(job.source)], TRAINING_BYTES)
    variables = {**QUIET, "TMPDIR": job.folder, "KERAS_BACKEND": backend}
    with ChildProcess(module, variables=variables, memory_limit_bytes=limit) as child:
        child.send(dataclasses.asdict(job))
        try:
            while (event := child.receive(EVENT_TIMEOUT_S))["event"] != "finished":
                _follow(event, found, job, display)
        except ChildFailedError as failure:
            raise HarnessError(
                f"training broke off: {failure.reason}{_go_on(found)}\n{failure.stderr_tail}"
            ) from failure
        except KeyboardInterrupt:
            if found.last < job.epochs and Path(job.checkpoints).is_dir():
                display.remark(f"  stopped{_go_on(found)}")
            raise
    return found


def _go_on(found: Followed) -> str:
    return f"; the same command with --resume goes on after epoch {found.last}" if found.last else ""


def _follow(event: Mapping[str, Any], found: Followed, job: QatJob, display: Display) -> None:
    match event["event"]:
        case "failed":
            raise ExportError(event["reason"])
        case "note":
            found.notes.append(event["text"])
            display.remark(f"  {event['text']}")
        case "resumed":
            found.last = event["epoch"]
            display.remark(f"  going on after epoch {found.last}")
        case "started":
            _start(event, found, job, display)
        case "progress" | "validating" | "epoch":
            found.last = event["epoch"] if event["event"] == "epoch" else found.last
            if found.view is not None:
                found.view.follow(event)
        case "trained":
            found.best = event["best"]
            display.phase("writing files", 4)
        case "building":
            display.doing(event["item"])
        case "built":
            found.built.append(event["item"])
            display.step()


def _start(event: Mapping[str, Any], found: Followed, job: QatJob, display: Display) -> None:
    found.metric, found.task, found.float_metric = event["metric"], event["task"], event["float_metric"]
    samples = f"{event['samples']:,} samples"
    if event["validation_samples"]:
        samples += f", {event['validation_samples']:,} to validate on"
    display.remark(f"  {samples}")
    is_known = event["float_metric"] is not None and not found.last
    if is_known:
        before = shown_metric(found.metric, event["float_metric"])
        after = shown(found.metric, event["calibrated_metric"])
        display.remark(f"  before training: {before} in float, {after} calibrated ({job.bits}-bit weights)")
    found.view = TrainingView(display, found.metric, job.epochs)
    found.view.start(found.last)


def shown_metric(metric: str, value: float | None) -> str:
    """A metric with its name."""
    return f"{metric} {shown(metric, value)}"
