"""What a run knows while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex

from exporters.artifact import ModelArtifact
from harness.assess import Assessment
from harness.case import Case
from harness.participant import Participant
from harness.rounds import Measurements
from harness.settings import BenchSettings
from reports.schema import Distance, Environment, LayerErrors


@dataclass(slots=True, kw_only=True)
class RunState:
    """What a run knows so far; a report can be composed from it at any time."""

    id: str
    started_at: datetime
    settings: BenchSettings
    command: Sequence[str]
    environment: Environment
    baseline: str
    cases: Sequence[Case]
    artifacts: Mapping[str, ModelArtifact]
    assessments: dict[str, Assessment] = field(default_factory=dict)
    participants: Sequence[Participant] = ()
    measurements: Measurements = field(default_factory=Measurements)
    distances: Sequence[Distance] = ()
    layers: Sequence[LayerErrors] = ()
    interrupted: bool = False


def new_run_id(now: datetime) -> str:
    """A name for a run that sorts by time."""
    return f"{now:%Y%m%dT%H%M%SZ}-{token_hex(2)}"
