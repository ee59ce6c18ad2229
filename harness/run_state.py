"""What a run knows while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from exporters.artifact import ModelArtifact
from harness.assess import Assessment
from harness.case import Case
from harness.rounds import Measurements
from harness.settings import BenchSettings
from reports.schema import Environment


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
    calls: dict[str, int] = field(default_factory=dict)
    measurements: Measurements = field(default_factory=Measurements)
    interrupted: bool = False
