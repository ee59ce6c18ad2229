"""The flat list of metrics, derived from the results alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final

from msgspec import UNSET

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.checks import is_sensible
from crossrt.reports.schema.records import Artifact, KernelCounts, Metric, Result, Round
from crossrt.reports.statistics.contrasts import calls_of, round_contrasts
from crossrt.reports.statistics.definitions import MEASURED_METRICS
from crossrt.reports.statistics.estimates import CONFIDENCE, Estimate, over_rounds, over_samples, percentile, proportion
from crossrt.reports.statistics.intervals import pooled_interval
from crossrt.reports.statistics.scenarios import scenario_definitions, scenario_estimates

__all__ = ["MEASURED_METRICS", "derive_metrics", "latency_percentile", "scenario_of", "speedup"]

PERCENTILES: Final = (50, 90, 99)
_MEASURED: Final = {each.name: each for each in MEASURED_METRICS}


def derive_metrics(
    results: Sequence[Result],
    artifacts: Sequence[Artifact],
    baseline: str,
    task_definitions: Sequence[MetricDefinition],
) -> tuple[Metric, ...]:
    """All metrics of all cases that have them.

    Args:
        results: Cases, measured or not.
        artifacts: The files they ran.
        baseline: Subject of the cases that speed-ups refer to, scenario by scenario.
        task_definitions: Every metric that evaluations may hold.

    Raises:
        ReportError: An evaluation holds a metric that is not defined.
    """
    sizes = {artifact.id: artifact.size_bytes for artifact in artifacts}
    activations = {artifact.id: artifact.activation_bytes for artifact in artifacts}
    defined = {each.name: each for each in task_definitions}
    ok = [result for result in results if result.status == "ok"]
    baselines = {scenario_of(result): result for result in ok if result.subject == baseline}
    metrics: list[Metric] = []
    asked = {each.name: each for each in scenario_definitions(results)}
    for result in results:
        if (size := sizes.get(result.artifact)) is not None:
            metrics.append(_measured(result, "size_bytes", Estimate(value=size)))
        if (needed := activations.get(result.artifact)) is not None:
            metrics.append(_measured(result, "activation_bytes", Estimate(value=needed)))
        if result.evaluation is not None:
            metrics += _of_evaluation(result, result.evaluation, defined)
        metrics += _of_result(result, baselines.get(scenario_of(result)))
        found = [pair for outcome in result.scenarios for pair in scenario_estimates(outcome)]
        metrics += [_metric(result, asked[name], estimate) for name, estimate in found]
    for scenario in dict.fromkeys(scenario_of(result) for result in results):
        metrics += _slowdowns([result for result in results if scenario_of(result) == scenario], metrics)
    return tuple(metrics)


def scenario_of(result: Result) -> tuple[int, int, str]:
    """Batch size, threads and I/O mode: only cases that share them are compared."""
    return result.batch_size, result.threads, result.io


def _of_result(result: Result, baseline: Result | None) -> Iterator[Metric]:
    if result.memory is not None:
        yield _measured(result, "peak_memory_bytes", Estimate(value=result.memory.peak_bytes))
    if result.kernels is not None:
        yield from _of_kernels(result, result.kernels)
    if result.status == "ok" and result.rounds:
        yield from _of_rounds(result)
        if baseline is not None and (ratio := speedup(result, baseline)) is not None:
            yield _measured(result, "speedup_p50", ratio)


def _of_kernels(result: Result, kernels: KernelCounts) -> Iterator[Metric]:
    yield _measured(result, "integer_kernels", Estimate(value=kernels.integer + kernels.hybrid))
    yield _measured(result, "float_kernels", Estimate(value=kernels.float))
    yield _measured(result, "conversion_kernels", Estimate(value=kernels.conversion))


def _slowdowns(results: Sequence[Result], metrics: Sequence[Metric]) -> Iterator[Metric]:
    """How far each case of one scenario is from the fastest."""
    p50 = {metric.case: metric.value for metric in metrics if metric.name == "latency_p50_ns"}
    timed = [result for result in results if result.case in p50]
    fastest = min(timed, key=lambda result: (p50[result.case], result.case), default=None)
    for result in timed:
        if fastest is not None and (ratio := speedup(fastest, result)) is not None:
            yield _measured(result, "slowdown_p50", ratio)


def _of_rounds(result: Result) -> Iterator[Metric]:
    for percent in PERCENTILES:
        if (latency := latency_percentile(result.rounds, percent)) is None:
            continue
        yield _measured(result, f"latency_p{percent}_ns", latency)
        if percent == 50:
            yield _measured(result, "throughput_per_s", latency.reciprocal(result.batch_size * 1e9))
    yield _measured(result, "latency_mean_ns", over_rounds([fmean(calls_of(each)) for each in result.rounds]))
    yield _measured(result, "load_ns", over_rounds([each.load_ns for each in result.rounds]))
    first = over_rounds([each.first_inference_ns for each in result.rounds])
    yield _measured(result, "first_inference_ns", first)


def _of_evaluation(result: Result, evaluation: Evaluation, defined: Mapping[str, MetricDefinition]) -> Iterator[Metric]:
    """Values in the order of their definitions; those that are not finite, or that no report holds, are left out."""
    if unknown := evaluation.values.keys() - defined.keys():
        raise ReportError(
            f"the task {evaluation.task} scores {', '.join(sorted(unknown))}, which its metrics do not define"
        )
    for name, definition in defined.items():
        value = evaluation.values.get(name)
        if value is None or not is_sensible(value):
            continue
        estimate = _estimate(evaluation, definition, value)
        if not all(bound is None or is_sensible(bound) for bound in (estimate.lower, estimate.upper)):
            estimate = Estimate(value=value)
        yield _metric(result, definition, estimate)


def _estimate(evaluation: Evaluation, definition: MetricDefinition, value: float) -> Estimate:
    """With an interval, where counts of samples or what each sample contributes support one."""
    count = evaluation.counts.get(definition.name)
    if count is not None:
        return proportion(count, evaluation.samples)
    per_sample = evaluation.per_sample.get(definition.name)
    if per_sample is not None and definition.paired_test == "paired-t":
        return over_samples(per_sample.unpack(), value)
    return Estimate(value=value)


def latency_percentile(rounds: Sequence[Round], percent: int) -> Estimate | None:
    """A latency percentile over rounds, in nanoseconds, or None where a round holds too few calls for it."""
    values = [percentile(calls_of(each), percent) for each in rounds]
    known = [value for value in values if value is not None]
    return over_rounds(known) if known and len(known) == len(values) else None


def speedup(result: Result, baseline: Result) -> Estimate | None:
    """How many times faster than the baseline, paired block by block, so that the machine's noise cancels."""
    if result.case == baseline.case:
        return Estimate(value=1.0, lower=1.0, upper=1.0)
    ratios = round_contrasts([baseline.rounds], [result.rounds])
    if not ratios:
        return None
    found = pooled_interval(ratios, (1 - CONFIDENCE) / 2)
    if not math.isfinite(found.half):
        return Estimate(value=math.exp(found.mean))
    return Estimate(value=math.exp(found.mean), lower=math.exp(found.lower), upper=math.exp(found.upper))


def _measured(result: Result, name: str, estimate: Estimate) -> Metric:
    return _metric(result, _MEASURED[name], estimate)


def _metric(result: Result, definition: MetricDefinition, estimate: Estimate) -> Metric:
    return Metric(
        case=result.case,
        name=definition.name,
        value=_finite(estimate.value),
        unit=definition.unit,
        direction=definition.direction,
        lower=UNSET if estimate.lower is None else _finite(estimate.lower),
        upper=UNSET if estimate.upper is None else _finite(estimate.upper),
    )


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ArithmeticError(f"a metric came out as {number}: raw samples that give it must not reach a report")
    return number
