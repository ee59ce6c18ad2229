"""Runs the training process and follows it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from crossrt.datasets.mnist.train import TrainingJob
from crossrt.exporters.errors import ExportError
from crossrt.harness.cli.progress import Display
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.out import check_writable
from crossrt.harness.process.packages import QUIET, check_packages

EPOCH_TIMEOUT_S = 1800.0


def run_training(architecture: str, data: str, epochs: int, seed: int, out: Path, display: Display) -> float:
    """Trains in a process of its own and returns the top-1 on the test digits after the last epoch.

    Raises:
        ExportError: The data cannot be used.
        HarnessError: The output cannot be written, or training broke off.
    """
    if out.suffix != ".keras":
        raise HarnessError(f"{out} does not end in .keras, the only format that Keras 3 saves: rename it")
    check_writable(out.parent)
    check_packages("training", ("tensorflow",))
    job = TrainingJob(architecture=architecture, data=data, out=str(out), epochs=epochs, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    display.phase("training", epochs)
    top1 = 0.0
    with ChildProcess("crossrt.datasets.mnist.train", variables=QUIET) as child:
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
                    raise ExportError(event["reason"])
                case _:
                    return top1
