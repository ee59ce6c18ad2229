"""The two sides of a duel as reports of their own, which share their rounds: `crossrt compare --paired` uses that."""

from __future__ import annotations

import msgspec

from crossrt.reports.schema.records import Arm, Control, Duel, Report
from crossrt.reports.statistics.metrics import derive_metrics


def arm_report(duel: Duel, arm: Arm) -> Report:
    """One side as a report with one case and its twin."""
    result = arm.result
    twin = Control(
        kind="twin",
        of=result.case,
        batch_size=result.batch_size,
        threads=result.threads,
        calls_per_block=result.calls_per_block,
        rounds=arm.twin_rounds,
    )
    pinned_cpu = duel.run.settings.pinned_cpu if result.threads == 1 else None
    settings = msgspec.structs.replace(duel.run.settings, pinned_cpu=pinned_cpu)
    artifacts = tuple(artifact for artifact in duel.artifacts if artifact.id == result.artifact)
    return Report(
        schema_version=duel.schema_version,
        run=msgspec.structs.replace(duel.run, settings=settings),
        environment=arm.environment,
        artifacts=artifacts,
        results=(result,),
        metrics=derive_metrics((result,), artifacts, duel.run.settings.baseline),
        controls=(twin,) if twin.rounds else (),
    )
