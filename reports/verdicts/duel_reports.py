"""The two sides of an A/B comparison as reports that share their rounds: `crossrt compare --paired` uses that."""

from __future__ import annotations

import msgspec

from crossrt.reports.schema.records import Arm, Control, Duel, Report
from crossrt.reports.statistics.definitions import MEASURED_METRICS
from crossrt.reports.statistics.metrics import derive_metrics


def arm_report(duel: Duel, arm: Arm) -> Report:
    """One side as a report with one case and its A/A replicate."""
    result = arm.result
    replicate = Control(
        kind="replicate",
        of=result.case,
        batch_size=result.batch_size,
        threads=result.threads,
        rounds=arm.replicate_rounds,
    )
    pinned_cpu = duel.run.settings.pinned_cpu if result.threads == 1 else None
    settings = msgspec.structs.replace(duel.run.settings, pinned_cpu=pinned_cpu)
    artifacts = tuple(artifact for artifact in duel.artifacts if artifact.id == result.artifact)
    measured = {each.name for each in MEASURED_METRICS}
    task_definitions = tuple(each for each in duel.definitions if each.name not in measured)
    return Report(
        schema_version=duel.schema_version,
        run=msgspec.structs.replace(duel.run, settings=settings),
        environment=arm.environment,
        data=duel.data,
        task=duel.task,
        definitions=(*task_definitions, *MEASURED_METRICS),
        artifacts=artifacts,
        results=(result,),
        metrics=derive_metrics((result,), artifacts, duel.run.settings.baseline, task_definitions),
        cautions=duel.cautions,
        warnings=duel.warnings,
        controls=(replicate,) if replicate.rounds else (),
    )
