"""Runs the training process and follows it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from crossrt.core.errors import DataError
from crossrt.core.memory import BUILDING_BYTES, memory_limit
from crossrt.datasets.reference import Reference, TrainingJob, references
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.out import check_writable
from crossrt.harness.process.packages import QUIET, check_packages
from crossrt.reports.text.progress import Display

EPOCH_TIMEOUT_S = 1800.0


def architectures() -> tuple[str, ...]:
    """Names of everything that can be trained, the default first."""
    return tuple(name for each in references() for name in each.architectures)


def run_training(architecture: str, data: str | None, epochs: int, seed: int, out: Path, display: Display) -> float:
    """Trains in a process of its own and returns the top-1 on the test samples after the last epoch.

    Raises:
        DataError: The data cannot be used.
        HarnessError: There is no such architecture, the output cannot be written, or training broke off.
    """
    reference = _reference_with(architecture)
    if out.suffix != ".keras":
        raise HarnessError(f"{out} does not end in .keras, the only format that Keras 3 saves: rename it")
    check_writable(out.parent)
    check_packages("training", ("tensorflow",))
    source = data or reference.training_data[0]
    job = TrainingJob(architecture=architecture, data=source, out=str(out), epochs=epochs, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    display.phase("training", epochs)
    top1 = 0.0
    with ChildProcess(
        reference.training, variables=QUIET, memory_limit_bytes=memory_limit([], BUILDING_BYTES)
    ) as child:
        child.send(dataclasses.asdict(job))
        while True:
            try:
                event = child.receive(EPOCH_TIMEOUT_S)
            except ChildFailedError as failure:
                raise HarnessError(f"training broke off: {failure.reason}\n{failure.stderr_tail}") from failure
            match event["event"]:
                case "epoch":
                    top1 = event["top1"]
                    display.step(f"top-1 {top1:.2%}")
                case "failed":
                    raise DataError(event["reason"])
                case _:
                    return top1


def _reference_with(architecture: str) -> Reference:
    for each in references():
        if architecture in each.architectures:
            return each
    raise HarnessError(f"{architecture!r} is not an architecture; available: {', '.join(architectures())}")
