"""Who takes part in rounds: every case, an A/A replicate per scenario, no-op models, the reference workload."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import TensorSpec
from crossrt.harness.evaluate.feeding import Feeding
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.effort import calls_for
from crossrt.harness.measure.noop import FEATURES, noop_artifacts
from crossrt.harness.measure.participant import ControlRole, Participant, Timed
from crossrt.harness.process.messages import InputFile
from crossrt.runtimes.protocol import SessionOptions

REFERENCE_CALLS = 64
"""About 3 ms on the machine that this was chosen on. A fixed number, for the work must be the same in every run."""

NOOP_ROUNDS = 3
NOOP_CALLS = 128
MOST_NOOP_FLOATS = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A case that passed its checks, with all that its processes need.

    Attributes:
        case: The case.
        artifact: Its file.
        feeding: How data feed it.
        inputs: The samples to be timed.
        call_ns: A rough latency.
    """

    case: Case
    artifact: ModelArtifact
    feeding: Feeding
    inputs: tuple[InputFile, ...]
    call_ns: int

    def timed(self) -> Timed:
        """What its processes run."""
        options = self.case.scenario.session_options(self.feeding.dimensions)
        return Timed(
            runtime=self.case.runtime,
            artifact=self.artifact,
            options=options,
            inputs=self.inputs,
            python=self.case.python,
        )


def participants_of(
    prepared: Sequence[Prepared], baseline: str, block_target_ns: int, noop_input: Path, noop_features: int
) -> list[Participant]:
    """Everything that is timed.

    Args:
        prepared: The cases that passed their checks.
        baseline: The subject that speed-ups refer to.
        block_target_ns: How long a block should take.
        noop_input: Samples for the no-op models, float32 `(samples, noop_features)`, as `.npy`.
        noop_features: Floats of each of them.
    """
    measured = [_of_case(each, block_target_ns) for each in prepared]
    scenarios = list(dict.fromkeys(each.case.scenario for each in prepared))
    replicates = [
        _replicate([each for each in prepared if each.case.scenario == scenario], baseline, block_target_ns)
        for scenario in scenarios
    ]
    reference = Participant(
        key="reference workload",
        subject=None,
        threads=1,
        batch_size=1,
        calls=REFERENCE_CALLS,
        control=ControlRole(kind="reference", of="numpy"),
    )
    return [*measured, *replicates, *_noops(prepared, noop_input, noop_features), reference]


def _of_case(each: Prepared, block_target_ns: int) -> Participant:
    return Participant(
        key=each.case.id,
        subject=each.timed(),
        threads=each.case.scenario.threads,
        batch_size=each.case.scenario.batch_size,
        calls=calls_for(each.call_ns, block_target_ns),
    )


def _replicate(prepared: Sequence[Prepared], baseline: str, block_target_ns: int) -> Participant:
    """A second process a round of the scenario's baseline, or of its first case."""
    original = next((each for each in prepared if each.case.subject == baseline), prepared[0])
    found = _of_case(original, block_target_ns)
    return Participant(
        key=f"{found.key} replicate",
        subject=found.subject,
        threads=found.threads,
        batch_size=found.batch_size,
        calls=found.calls,
        control=ControlRole(kind="replicate", of=found.key),
    )


def pair_of(prepared: Sequence[Prepared], baseline: str, block_target_ns: int) -> tuple[Participant, Participant]:
    """Two processes a round of the baseline, or of the first case, which do not differ (A/A)."""
    replicate = _replicate(prepared, baseline, block_target_ns)
    assert replicate.control is not None
    return replace(replicate, key=replicate.control.of, control=None), replicate


def noop_features(prepared: Sequence[Prepared]) -> int:
    """How many floats a sample of the no-op model has: as many bytes as a sample of the largest model's inputs."""
    sizes = [sum(_bytes_of(spec, each) for spec in each.artifact.inputs) for each in prepared]
    return min(max(1, *(math.ceil(size / 4) for size in sizes)), MOST_NOOP_FLOATS) if sizes else 1


def _bytes_of(spec: TensorSpec, each: Prepared) -> int:
    """Bytes of one sample of an input, in the type that is fed."""
    axis = each.artifact.batching.axes.get(spec.name)
    sizes = each.feeding.dimensions
    shape = [sizes.get(size, 1) if isinstance(size, str) else size or 1 for size in spec.shape]
    count = math.prod(size for place, size in enumerate(shape) if place != axis)
    return count * (4 if spec.dtype == "str" or spec.scale is not None else np.dtype(spec.dtype).itemsize)


def _noops(prepared: Sequence[Prepared], path: Path, features: int) -> Iterator[Participant]:
    """A model that copies its input, on each runtime in each scenario of float32, in the first rounds only."""
    wanted = {
        (each.case.runtime, each.artifact.format, each.case.scenario): each.case
        for each in prepared
        if each.case.scenario.io == "float32"
    }
    for (runtime, model_format, scenario), case in wanted.items():
        if (artifact := noop_artifacts().get(model_format)) is None:
            continue
        data = artifact.inputs[0]
        options = SessionOptions(
            batch_size=scenario.batch_size,
            intra_op_threads=scenario.threads,
            dimensions={FEATURES: features},
        )
        inputs = (InputFile(name=data.name, path=str(path), axis=0),)
        yield Participant(
            key=f"no-op {runtime}/b{scenario.batch_size}/t{scenario.threads}",
            subject=Timed(runtime=case.runtime, artifact=artifact, options=options, inputs=inputs, python=case.python),
            threads=scenario.threads,
            batch_size=scenario.batch_size,
            calls=NOOP_CALLS,
            rounds=NOOP_ROUNDS,
            control=ControlRole(kind="noop", of=runtime),
        )
