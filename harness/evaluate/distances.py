"""How far the answers of the cases of a run are apart from each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from crossrt.harness.evaluate.workspace import Workspace
from crossrt.harness.measure.case import Case
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.records import Distance
from crossrt.reports.statistics.divergence import Logits, distances


def files_for_logits(cases: Sequence[Case], workspace: Workspace) -> dict[str, Path]:
    """By case id, where logits are to stay: for the first case of each model file and runtime.

    Cases are planned by ascending batch size, so the first has the smallest.
    """
    first: dict[str, str] = {}
    for case in cases:
        first.setdefault(case.subject, case.id)
    return {name: workspace.folder / f"answers-{number}.npy" for number, name in enumerate(first.values())}


def measure_distances(state: RunState, files: Mapping[str, Path]) -> tuple[Distance, ...]:
    """Each pair of the cases that answered."""
    return distances(_answers(state, files))


def _answers(state: RunState, files: Mapping[str, Path]) -> Iterator[Logits]:
    for case in state.cases:
        path, assessment = files.get(case.id), state.assessments.get(case.id)
        if path is not None and assessment is not None and assessment.accuracy is not None:
            output = state.artifacts[case.artifact_id].outputs[0]
            step = output.step if output.scale is None else output.scale
            yield Logits(case=case.id, values=np.load(path, allow_pickle=False), step=step)
