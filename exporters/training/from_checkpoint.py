"""Writes the files of a training on JAX or PyTorch: `python -m crossrt.exporters.training.from_checkpoint`.

TensorFlow converts them, so this is a process of its own. It reads the best checkpoint into the same network. The job
comes on standard input, events go to standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path

from crossrt.core.events import EventStream, read_job
from crossrt.exporters.tf import environment as environment
from crossrt.exporters.training.qat.jobs import QatJob
from crossrt.exporters.training.qat.run import build_trainable, export, prepare, settings_of, training_of


def run(job: QatJob, events: EventStream) -> None:
    """Writes what `crossrt.exporters.training.qat.run` would have written on TensorFlow.

    Raises:
        ExportError: There is no checkpoint of this training, or a file cannot be written.
    """
    from crossrt.exporters.training.engine import engine
    from crossrt.exporters.training.qat.checkpoints import MODEL, Checkpoints, named_variables, restore

    engine().make_deterministic()
    prepared = prepare(job)
    trainable = build_trainable(job, prepared)
    checkpoints = Checkpoints(Path(job.checkpoints))
    state, values = checkpoints.latest(settings_of(job, prepared))
    if state.best != state.epochs[-1].epoch:
        values = checkpoints.load(state.best)[1]
    own = {name: each for name, each in values.items() if name.startswith(MODEL)}
    restore(named_variables(trainable.model), own, job.checkpoints)
    export(job, prepared, trainable, training_of(job, prepared, state), events)


def main() -> int:
    """Reads a job and writes its files."""
    events = EventStream.take_stdout()
    return events.guard(lambda: run(read_job(sys.stdin, QatJob), events))


if __name__ == "__main__":
    sys.exit(main())
