"""The flat list of metrics, derived from the results alone, and the definitions that go into every report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from msgspec import UNSET

from crossrt.reports.schema.records import Accuracy, Artifact, Direction, KernelCounts, Metric, Result, Round
from crossrt.reports.statistics.contrasts import by_round, contrasts
from crossrt.reports.statistics.estimates import CONFIDENCE, Estimate, over_rounds, percentile, proportion
from crossrt.reports.statistics.intervals import pooled_interval

PERCENTILES = (50, 90, 99)
SMALLER: Direction = "smaller_is_better"
BIGGER: Direction = "bigger_is_better"

DEFINITIONS: Mapping[str, str] = {
    "latency_pNN_ns": "geometric mean over rounds of the round's NNth percentile (linear interpolation) of calls;"
    " float32 in and out, unless the case is native",
    "latency_mean_ns": "geometric mean over rounds of the round's mean; one stall rules it, so it is not judged",
    "fewest_samples": "a percentile is given only where each round holds enough calls: p90 64, p99 662",
    "throughput_per_s": "batch size divided by latency_p50_ns",
    "load_ns": "geometric mean over rounds of preparing the session; importing the runtime is not counted",
    "first_run_ns": "geometric mean over rounds of the first call of a fresh session",
    "peak_memory_bytes": "VmHWM of a fresh process that imports numpy and the runtime, loads the model and runs it",
    "speedup_p50": "the baseline's time over this case's: in each shared round the median over blocks that were timed"
    " side by side, then the mean of logarithms over rounds, weighted by their errors (Paule-Mandel, Hartung-Knapp)",
    "slowdown_p50": "likewise, this case's time over that of the scenario's fastest case; an interval that reaches down"
    " to 1 cannot be told from the fastest",
    "size_bytes": "size of the model file",
    "top1": "share of test digits whose highest score is their label",
    "macro_f1": "mean of F1 over the ten classes",
    "noise": "speedup_p50 of a case over its twin, a second set of processes in the same rounds; the smallest"
    " difference is (t[97.5%] + t[95%]) times its standard error",
    "interval": f"{CONFIDENCE:.0%}; over rounds: Student's t on logarithms; top1: Wilson score",
    "agreement_fp32": "share of test digits that get the class that the Keras model gives them",
    "integer_kernels": "kernels of one call that compute on integers, or on floats with integer weights; a lost fusion"
    " makes them fewer",
    "float_kernels": "kernels of one call that compute on floats",
    "conversion_kernels": "kernels of one call that only quantize, dequantize or cast",
    "max_abs_error": "largest absolute difference between these logits and the Keras model's",
}


def derive_metrics(results: Sequence[Result], artifacts: Sequence[Artifact], baseline: str) -> tuple[Metric, ...]:
    """All metrics of all cases that have them.

    Args:
        results: Cases, measured or not.
        artifacts: The files they ran.
        baseline: `<model>.<variant>@<runtime>` of the cases that speed-ups refer to, scenario by scenario.
    """
    sizes = {artifact.id: artifact.size_bytes for artifact in artifacts}
    ok = [result for result in results if result.status == "ok"]
    baselines = {scenario_of(result): result for result in ok if result.case.partition("/")[0] == baseline}
    metrics: list[Metric] = []
    for result in results:
        metrics += _of_result(result, sizes.get(result.artifact), baselines.get(scenario_of(result)))
    for scenario in dict.fromkeys(scenario_of(result) for result in results):
        metrics += _slowdowns([result for result in results if scenario_of(result) == scenario], metrics)
    return tuple(metrics)


def scenario_of(result: Result) -> tuple[int, int, str]:
    """Batch size, threads and I/O mode: only cases that share them are compared."""
    return result.batch_size, result.threads, result.io


def _of_result(result: Result, size_bytes: int | None, baseline: Result | None) -> Iterator[Metric]:
    if size_bytes is not None:
        yield _metric(result, "size_bytes", Estimate(value=size_bytes), "bytes", SMALLER)
    if result.accuracy is not None:
        yield from _of_accuracy(result, result.accuracy)
    if result.memory is not None:
        yield _metric(result, "peak_memory_bytes", Estimate(value=result.memory.peak_bytes), "bytes", SMALLER)
    if result.kernels is not None:
        yield from _of_kernels(result, result.kernels)
    if result.status == "ok" and result.rounds:
        yield from _of_rounds(result)
        if baseline is not None and (ratio := speedup(result, baseline)) is not None:
            yield _metric(result, "speedup_p50", ratio, "ratio", BIGGER)


def _of_kernels(result: Result, kernels: KernelCounts) -> Iterator[Metric]:
    yield _metric(result, "integer_kernels", Estimate(value=kernels.integer + kernels.hybrid), "kernels", BIGGER)
    yield _metric(result, "float_kernels", Estimate(value=kernels.float), "kernels", SMALLER)
    yield _metric(result, "conversion_kernels", Estimate(value=kernels.conversion), "kernels", SMALLER)


def _slowdowns(results: Sequence[Result], metrics: Sequence[Metric]) -> Iterator[Metric]:
    """How far each case of one scenario is from the fastest."""
    p50 = {metric.case: metric.value for metric in metrics if metric.name == "latency_p50_ns"}
    timed = [result for result in results if result.case in p50]
    fastest = min(timed, key=lambda result: (p50[result.case], result.case), default=None)
    for result in timed:
        if fastest is not None and (ratio := speedup(fastest, result)) is not None:
            yield _metric(result, "slowdown_p50", ratio, "ratio", SMALLER)


def _of_rounds(result: Result) -> Iterator[Metric]:
    for percent in PERCENTILES:
        if (latency := latency_percentile(result.rounds, percent)) is None:
            continue
        yield _metric(result, f"latency_p{percent}_ns", latency, "ns", SMALLER)
        if percent == 50:
            throughput = latency.reciprocal(result.batch_size * 1e9)
            yield _metric(result, "throughput_per_s", throughput, "1/s", BIGGER)
    mean = over_rounds([fmean(each.latency_ns) for each in result.rounds if each.latency_ns])
    yield _metric(result, "latency_mean_ns", mean, "ns", SMALLER)
    yield _metric(result, "load_ns", over_rounds([each.load_ns for each in result.rounds]), "ns", SMALLER)
    yield _metric(result, "first_run_ns", over_rounds([each.first_run_ns for each in result.rounds]), "ns", SMALLER)


def _of_accuracy(result: Result, accuracy: Accuracy) -> Iterator[Metric]:
    yield _metric(result, "top1", proportion(accuracy.correct, accuracy.samples), "share", BIGGER)
    macro_f1 = fmean(score.f1 for score in accuracy.per_class)
    yield _metric(result, "macro_f1", Estimate(value=macro_f1), "share", BIGGER)
    if accuracy.agreement is not None:
        agreeing = round(accuracy.agreement * accuracy.samples)
        yield _metric(result, "agreement_fp32", proportion(agreeing, accuracy.samples), "share", BIGGER)
    if accuracy.max_abs_error is not None:
        yield _metric(result, "max_abs_error", Estimate(value=accuracy.max_abs_error), "logit", SMALLER)


def latency_percentile(rounds: Sequence[Round], percent: int) -> Estimate | None:
    """A latency percentile over rounds, in nanoseconds, or None where a round holds too few calls for it."""
    values = [percentile(each.latency_ns, percent) for each in rounds]
    known = [value for value in values if value is not None]
    return over_rounds(known) if known and len(known) == len(values) else None


def speedup(result: Result, baseline: Result) -> Estimate | None:
    """How many times faster than the baseline, paired block by block, so that the machine's weather cancels."""
    if result.case == baseline.case:
        return Estimate(value=1.0, lower=1.0, upper=1.0)
    used = min(result.calls_per_block, baseline.calls_per_block)
    logs = [by_round(each.rounds, each.calls_per_block, used) for each in (result, baseline)]
    ratios = contrasts(logs[1:], logs[:1])
    if not ratios:
        return None
    found = pooled_interval(ratios, (1 - CONFIDENCE) / 2)
    if not math.isfinite(found.half):
        return Estimate(value=math.exp(found.mean))
    return Estimate(value=math.exp(found.mean), lower=math.exp(found.lower), upper=math.exp(found.upper))


def _metric(result: Result, name: str, estimate: Estimate, unit: str, direction: Direction) -> Metric:
    return Metric(
        case=result.case,
        name=name,
        value=_finite(estimate.value),
        unit=unit,
        direction=direction,
        lower=UNSET if estimate.lower is None else _finite(estimate.lower),
        upper=UNSET if estimate.upper is None else _finite(estimate.upper),
    )


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ArithmeticError(f"a metric came out as {number}: raw samples that give it must not reach a report")
    return number
