"""The training process, and what a user sees of it while it runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossrt.core.memory import BUILDING_BYTES, memory_limit
from crossrt.exporters.errors import ExportError
from crossrt.exporters.qat.jobs import QatJob
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.packages import QUIET
from crossrt.reports.text.progress import Display

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
    """

    metric: str = "accuracy"
    task: str = "classification"
    float_metric: float | None = None
    best: int = 0
    last: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)
    built: list[str] = dataclasses.field(default_factory=list)


def train(job: QatJob, display: Display) -> Followed:
    """Runs the process to its end.

    Raises:
        ExportError: The model or the data cannot be used, or training failed.
        HarnessError: The process broke off.
    """
    found = Followed()
    display.phase("starting", None)
    limit = memory_limit([Path(job.source)], TRAINING_BYTES)
    variables = {**QUIET, "TMPDIR": job.folder}
    with ChildProcess("crossrt.exporters.qat.run", variables=variables, memory_limit_bytes=limit) as child:
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
        case "progress":
            display.doing(_progress(event, found.metric))
        case "epoch":
            found.last = event["epoch"]
            display.remark(f"  {_epoch(event, found.metric, job.epochs)}")
            display.step()
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
    if event["float_metric"] is not None and not found.last:
        before = shown_metric(found.metric, event["float_metric"])
        after = shown_metric(found.metric, event["calibrated_metric"])
        display.remark(f"  before training: {before} in float, {after} with {job.bits}-bit weights (calibrated only)")
    display.phase("training", job.epochs)
    for _ in range(found.last):
        display.step()


def _progress(event: Mapping[str, Any], metric: str) -> str:
    minutes, seconds = divmod(round(event["left_s"]), 60)
    return (
        f"epoch {event['epoch']} step {event['step']}/{event['steps']}  loss {event['loss']:.4g} "
        f" {shown_metric(metric, event['metric'])}  lr {event['learning_rate']:.2g} "
        f" {event['samples_per_s']:,.0f} samples/s  {minutes}:{seconds:02} left"
    )


def _epoch(event: Mapping[str, Any], metric: str, epochs: int) -> str:
    text = f"epoch {event['epoch']}/{epochs}: loss {event['loss']:.4g}, {shown_metric(metric, event['metric'])}"
    if event["validation_metric"] is not None:
        shown = shown_metric(metric, event["validation_metric"])
        text += f"; validation loss {event['validation_loss']:.4g}, {shown}{' (best)' if event['is_best'] else ''}"
    return f"{text}; {event['samples_per_s']:,.0f} samples/s"


def shown_metric(metric: str, value: float | None) -> str:
    """A metric with its name."""
    if value is None:
        return f"{metric} unknown"
    return f"{metric} {value:.2%}" if metric == "accuracy" else f"{metric} {value:.4g}"
