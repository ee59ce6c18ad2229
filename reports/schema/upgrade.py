"""Records of schema version 1 as those of version 2: what version 1 did not hold is absent, nothing is invented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from crossrt.core.metric import MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import (
    Arm,
    Artifact,
    Control,
    Data,
    Distance,
    Duel,
    Environment,
    Metric,
    Report,
    Result,
    Round,
    Tensor,
)
from crossrt.reports.schema.version1 import (
    Arm1,
    Artifact1,
    Control1,
    Duel1,
    Environment1,
    Report1,
    Result1,
    Round1,
)
from crossrt.reports.schema.version1_answers import TASK, TASK_METRICS, evaluation_of
from crossrt.reports.statistics.definitions import MEASURED_METRICS

BATCH: Final = "batch"
_KINDS: Final[Mapping[str, Literal["replicate", "noop", "reference"]]] = {
    "twin": "replicate",
    "floor": "noop",
    "anchor": "reference",
}
_RENAMED: Final = {"first_run_ns": "first_inference_ns", "agreement_fp32": "agreement"}


def upgraded_report(old: Report1) -> Report:
    """A report of version 1 as one of version 2.

    Raises:
        ReportError: It contradicts itself, so that it cannot be converted.
    """
    models = {each.id: (each.model, each.variant) for each in old.artifacts}
    outputs = {each.id: each.outputs[0].name for each in old.artifacts if each.outputs}
    metrics = tuple(_metric(each) for each in old.metrics)
    return Report(
        schema_version=2,
        run=old.run,
        environment=_environment(old.environment),
        data=_data(old.environment, old.results),
        task=TASK,
        definitions=_definitions(metrics),
        artifacts=tuple(_artifact(each) for each in old.artifacts),
        results=tuple(_result(each, models, outputs) for each in old.results),
        metrics=metrics,
        reference=_reference(old.results),
        model_sha256=old.environment.model_sha256,
        controls=tuple(_control(each) for each in old.controls),
        distances=tuple(
            Distance(
                one=each.one,
                other=each.other,
                kl_nats=each.kl_nats,
                kl_back_nats=each.kl_back_nats,
                max_steps=each.max_steps,
            )
            for each in old.distances
        ),
        layers=old.layers,
    )


def upgraded_duel(old: Duel1) -> Duel:
    """An A/B comparison of version 1 as one of version 2; raises `ReportError` like `upgraded_report`."""
    models = {each.id: (each.model, each.variant) for each in old.artifacts}
    return Duel(
        schema_version=2,
        kind="duel",
        run=old.run,
        data=_data(old.a.environment, (old.a.result, old.b.result)),
        task=TASK,
        definitions=_definitions(()),
        margin=old.margin,
        budget_s=old.budget_s,
        artifacts=tuple(_artifact(each) for each in old.artifacts),
        a=_arm(old.a, models),
        b=_arm(old.b, models),
        looks=old.looks,
    )


def _arm(old: Arm1, models: Mapping[str, tuple[str, str]]) -> Arm:
    result = old.result
    return Arm(
        result=_result(result, models, {}),
        replicate_rounds=_rounds(old.twin_rounds, result.calls_per_block, result.case),
        environment=_environment(old.environment),
    )


def _metric(old: Metric) -> Metric:
    return msgspec.structs.replace(old, name=_RENAMED.get(old.name, old.name))


def _definitions(metrics: Iterable[Metric]) -> tuple[MetricDefinition, ...]:
    known = (*TASK_METRICS, *MEASURED_METRICS)
    names = {each.name for each in known}
    others = {each.name: each for each in metrics if each.name not in names}
    return (
        *known,
        *(
            MetricDefinition(name=each.name, label=each.name, unit=each.unit, direction=each.direction)
            for each in others.values()
        ),
    )


def _environment(old: Environment1) -> Environment:
    return Environment(**{name: getattr(old, name) for name in Environment.__struct_fields__})


def _data(environment: Environment1, results: Sequence[Result1]) -> Data:
    counts = [each.accuracy.samples for each in results if each.accuracy is not None]
    return Data(name="test set", fingerprint=environment.data_sha256, samples=max(counts, default=0))


def _reference(results: Sequence[Result1]) -> str | None:
    """Version 1 compared with the Keras model, where its answers were at hand."""
    compared = any(each.accuracy is not None and each.accuracy.agreement is not None for each in results)
    return "the Keras model" if compared else None


def _artifact(old: Artifact1) -> Artifact:
    is_dynamic = any(each.shape[:1] == (None,) for each in old.inputs)
    is_float = old.quantization is None or old.quantization.scheme == "float16"
    return Artifact(
        id=old.id,
        model=old.model,
        variant=old.variant,
        format=old.format,
        sha256=old.sha256,
        size_bytes=old.size_bytes,
        inputs=tuple(_tensor(each) for each in old.inputs),
        outputs=tuple(_tensor(each) for each in old.outputs),
        quantization=old.quantization,
        producer=old.producer,
        source_sha256=old.model_sha256,
        role="float" if is_float else "quantized",
        batch_dimension=BATCH if is_dynamic else None,
    )


def _tensor(old: Tensor) -> Tensor:
    """Version 1 did not name dimensions; a dynamic first one was always the batch."""
    is_dynamic = old.shape[:1] == (None,)
    return msgspec.structs.replace(old, shape=(BATCH, *old.shape[1:])) if is_dynamic else old


def _result(old: Result1, models: Mapping[str, tuple[str, str]], outputs: Mapping[str, str]) -> Result:
    subject = old.case.partition("/")[0]
    model, variant = models.get(old.artifact, ("", subject.partition("@")[0]))
    return Result(
        case=old.case,
        subject=subject or old.case,
        artifact=old.artifact,
        runtime=old.runtime,
        runtime_version=old.runtime_version,
        batch_size=old.batch_size,
        threads=old.threads,
        io=old.io,
        status=old.status,
        model=model,
        variant=variant,
        reason=old.reason,
        stderr_tail=old.stderr_tail,
        rounds=_rounds(old.rounds, old.calls_per_block, old.case),
        evaluation=evaluation_of(old.accuracy, old.case, outputs.get(old.artifact, "logits")) if old.accuracy else None,
        memory=old.memory,
        operators=old.operators,
        kernels=old.kernels,
        kernel_shares=old.kernel_shares,
    )


def _control(old: Control1) -> Control:
    return Control(
        kind=_KINDS[old.kind],
        of=old.of,
        batch_size=old.batch_size,
        threads=old.threads,
        rounds=_rounds(old.rounds, old.calls_per_block, f"the control of {old.of}"),
    )


def _rounds(old: Sequence[Round1], calls_per_block: int, name: str) -> tuple[Round, ...]:
    return tuple(_round(each, calls_per_block, name) for each in old)


def _round(old: Round1, calls_per_block: int, name: str) -> Round:
    """Cuts the calls into blocks. All blocks had the same length: calls beyond the last whole one are dropped."""
    if not 1 <= calls_per_block <= len(old.latency_ns):
        raise ReportError(f"{name} has {len(old.latency_ns)} calls in blocks of {calls_per_block}")
    whole = len(old.latency_ns) - len(old.latency_ns) % calls_per_block
    starts = range(0, whole, calls_per_block)
    return Round(
        index=old.index,
        position=old.position,
        load_ns=old.load_ns,
        first_inference_ns=old.first_run_ns,
        blocks_ns=tuple(old.latency_ns[start : start + calls_per_block] for start in starts),
        repeated_blocks=old.repeated_blocks,
        disturbed_blocks=tuple(number for number in old.disturbed_blocks if number < len(starts)),
    )
