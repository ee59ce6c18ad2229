"""Every metric that crossrt itself measures: labels, formats, how two runs are compared, margins, words."""

from __future__ import annotations

from typing import Final

from crossrt.core.metric import BIGGER, SMALLER, MetricDefinition, NumberFormat

QUIET: Final = "latency_p50_ns"
"""The latency that every table shows; its change between two runs is that of the 10th percentile of their blocks."""


def time_metric(
    name: str, label: str, description: str, margin: float | None = None, style: NumberFormat = "microseconds"
) -> MetricDefinition:
    """A time in nanoseconds, of which less is better and which two runs compare by their rounds."""
    return MetricDefinition(
        name=name,
        label=label,
        unit="ns",
        direction=SMALLER,
        description=description,
        format=style,
        judged_by="rounds",
        margin=margin,
        worse="slower",
        better="faster",
    )


def _kernels(name: str, label: str, description: str, margin: float | None, *, is_good: bool) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        label=label,
        unit="kernels",
        direction=BIGGER if is_good else SMALLER,
        description=description,
        format="count",
        judged_by="ratio",
        margin=margin,
        worse="fewer" if is_good else "more",
        better="more" if is_good else "fewer",
    )


_PERCENTILE: Final = (
    "geometric mean over rounds of the round's {} percentile (linear interpolation) of calls; given only where each"
    " round holds at least {} calls"
)

MEASURED_METRICS: Final = (
    time_metric(
        "latency_p50_ns",
        "p50",
        "geometric mean over rounds of the round's median call; float32 in and out, unless the case is native",
        0.05,
    ),
    time_metric("latency_p90_ns", "p90", _PERCENTILE.format("90th", 64)),
    time_metric("latency_p99_ns", "p99", _PERCENTILE.format("99th", 662)),
    time_metric(
        "latency_mean_ns", "mean", "geometric mean over rounds of the round's mean; a single stall dominates it"
    ),
    MetricDefinition(
        name="throughput_per_s",
        label="samples/s",
        unit="1/s",
        direction=BIGGER,
        description="batch size divided by latency_p50_ns",
        format="count",
        worse="slower",
        better="faster",
    ),
    MetricDefinition(
        name="load_ns",
        label="model load",
        unit="ns",
        direction=SMALLER,
        description="geometric mean over rounds of preparing the session; importing the runtime is not counted",
        format="milliseconds",
        judged_by="rounds",
        margin=0.50,
        worse="slower",
        better="faster",
    ),
    time_metric(
        "first_inference_ns", "first inference", "geometric mean over rounds of the first call of a fresh session", 0.50
    ),
    MetricDefinition(
        name="peak_memory_bytes",
        label="peak memory",
        unit="bytes",
        direction=SMALLER,
        description="VmHWM of a fresh process that imports numpy and the runtime, loads the model and runs it",
        format="megabytes",
        judged_by="ratio",
        margin=0.10,
        worse="more",
        better="less",
    ),
    MetricDefinition(
        name="size_bytes",
        label="size",
        unit="bytes",
        direction=SMALLER,
        description="size of the model file, its data files included",
        format="kilobytes",
        judged_by="ratio",
        margin=0.01,
        worse="larger",
        better="smaller",
    ),
    MetricDefinition(
        name="activation_bytes",
        label="activations",
        unit="bytes",
        direction=SMALLER,
        description="memory that tensors between operators need at once for one sample: a bound by their lives, read"
        " from the graph",
        format="kilobytes",
        judged_by="ratio",
        worse="more",
        better="less",
    ),
    MetricDefinition(
        name="speedup_p50",
        label="speed-up",
        unit="ratio",
        direction=BIGGER,
        description="the baseline's time divided by this case's: in each shared round the median over blocks that were"
        " timed side by side, then the mean of logarithms over rounds, weighted by their errors (Paule-Mandel,"
        " Hartung-Knapp)",
        format="decimal",
    ),
    MetricDefinition(
        name="slowdown_p50",
        label="slowdown",
        unit="ratio",
        direction=SMALLER,
        description="this case's time divided by that of the scenario's fastest case, likewise; where the interval"
        " reaches down to 1, the two are statistically indistinguishable",
        format="decimal",
    ),
    _kernels(
        "integer_kernels",
        "integer kernels",
        "kernels of one call that compute on integers, or on floats with integer weights",
        0.0,
        is_good=True,
    ),
    _kernels("float_kernels", "float kernels", "kernels of one call that compute on floats", 0.0, is_good=False),
    _kernels(
        "conversion_kernels",
        "conversions",
        "kernels of one call that only quantize, dequantize or cast",
        None,
        is_good=False,
    ),
)
"""In the order in which tables show them."""

ANSWERS: Final = MetricDefinition(
    name="answers",
    label="changed answers",
    unit="share",
    direction=SMALLER,
    description="share of samples that the current report answers otherwise than the baseline, right or wrong",
    format="percent",
    judged_by="difference",
    margin=0.001,
    worse="answers differently",
)
"""Of two reports, so no report holds it; its default margin is that of the report's `agreement`."""
