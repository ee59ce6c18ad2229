"""What a run knows while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.build.project import Project
from crossrt.harness.evaluate.assess import Assessment
from crossrt.harness.evaluate.feeding import Feeding
from crossrt.harness.evaluate.judge import Judge
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.participant import Participant
from crossrt.harness.measure.rounds import Measurements
from crossrt.harness.measure.settings import BenchSettings, Effort
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.schema.evidence import Evidence
from crossrt.reports.schema.exclusive import ExclusiveUse
from crossrt.reports.schema.records import Distance, Environment, LayerErrors
from crossrt.reports.schema.roofline import Roofline
from crossrt.reports.schema.scenarios import ScenarioOutcome


@dataclass(slots=True, kw_only=True)
class RunState:
    """What a run knows so far; a report can be composed from it at any time.

    Attributes:
        effort: How long is measured, once that is known.
        judge: Scores answers, once the reference has answered.
        feedings: How data feed each artifact, by id.
        scenarios: For each one that is measured, what cases did in it, by their ids.
        cautions: What speaks against believing all that follows.
        left_out: Variants that were not built, each with the reason.
        broken_off: What ended the run early where no signal did, or None.
        warnings: What a reader has to look at, and need not make answers meaningless.
    """

    id: str
    started_at: datetime
    settings: BenchSettings
    command: Sequence[str]
    environment: Environment
    project: Project
    data: RunData
    baseline: str
    cases: Sequence[Case]
    artifacts: Mapping[str, ModelArtifact]
    effort: Effort
    judge: Judge | None = None
    feedings: dict[str, Feeding] = field(default_factory=dict)
    assessments: dict[str, Assessment] = field(default_factory=dict)
    participants: Sequence[Participant] = ()
    measurements: Measurements = field(default_factory=Measurements)
    scenarios: list[dict[str, ScenarioOutcome]] = field(default_factory=list)
    distances: Sequence[Distance] = ()
    layers: Sequence[LayerErrors] = ()
    roofline: Roofline | None = None
    exclusive: ExclusiveUse | None = None
    evidence: Evidence | None = None
    emulated: list[EmulatedAnswers] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    left_out: Sequence[str] = ()
    warnings: Sequence[str] = ()
    interrupted: bool = False
    broken_off: str | None = None


def new_run_id(now: datetime) -> str:
    """A name for a run that sorts by time."""
    return f"{now:%Y%m%dT%H%M%SZ}-{token_hex(2)}"
