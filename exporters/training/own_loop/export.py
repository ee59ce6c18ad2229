"""Writes both files of a trained model; run as `python -m crossrt.exporters.training.own_loop.export`."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossrt.core.artifact import Training
from crossrt.core.events import EventStream, read_job
from crossrt.core.tensor import Batching, TensorSpec, batching_of
from crossrt.exporters.errors import ModelError
from crossrt.exporters.tf import environment as environment
from crossrt.exporters.training.qat.jobs import QatJob, Ranges
from crossrt.exporters.training.qat.run import Prepared, export

if TYPE_CHECKING:
    from crossrt.exporters.training.own_loop.model import QuantizationAware


@dataclass(frozen=True, slots=True, kw_only=True)
class Specs:
    """What files take and give.

    Attributes:
        inputs: Inputs.
        outputs: Outputs.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def batching(self) -> Batching:
        """How samples lie in the inputs."""
        return batching_of(self.inputs)


def run(job: QatJob, events: EventStream) -> None:
    """Writes both files, and what the model answers to the data of the job."""
    from crossrt.exporters.training.qat.data import fitted, split_of

    model = load(Path(job.source))
    specs = Specs(inputs=model.input_specs, outputs=model.output_specs)
    split = split_of(job, specs.inputs)
    labels = np.zeros(len(split.train), np.int64)
    prepared = Prepared(
        serving=specs,
        network=model.parts.network,
        split=split,
        objective=None,
        train=fitted(split.train, specs.inputs, specs.batching, labels),
        validation=None,
        calibration_samples=model.calibration_samples,
    )
    ranges: Ranges = "learned" if model.learns_ranges else "moving-average"
    named = dataclasses.replace(job, model=model.name, bits=4 if model.parts.bits == 4 else 8, ranges=ranges)
    export(named, prepared, model.parts, Training(epochs=()), events)  # curves and seed are the user's


def load(path: Path) -> QuantizationAware:
    """A model that was saved.

    Raises:
        ModelError: It is damaged, or another model.
    """
    from crossrt.exporters.sources.keras_file import load as load_keras
    from crossrt.exporters.training.own_loop.model import QuantizationAware

    model = load_keras(path)
    if not isinstance(model, QuantizationAware):
        raise ModelError(f"{model.name} has no fake quantization: train what crossrt.quantization_aware makes of it")
    return model


def main() -> int:
    """Reads a job and writes its files."""
    events = EventStream.take_stdout()
    return events.guard(lambda: run(read_job(sys.stdin, QatJob), events))


if __name__ == "__main__":
    sys.exit(main())
