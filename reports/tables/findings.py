"""What a report shows beyond its numbers: which cases turn out to be the same computation, what to be wary of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, groupby
from statistics import median
from typing import Final

from msgspec import UNSET

from crossrt.core.evaluation import Evaluation
from crossrt.reports.schema.records import Artifact, Metric, Quantization, Report, Result
from crossrt.reports.statistics.chance import near_chance
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.statistics.noise import disturbances, noise_of
from crossrt.reports.statistics.replicates import replicate_change
from crossrt.reports.statistics.rounds import is_cut_by_time, remedy, rounds_made
from crossrt.reports.statistics.self_comparison import LARGEST_BIAS
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.text.cells import counted, listed
from crossrt.reports.verdicts.exclusive import exclusive_cautions

WIDE: Final = 0.1
MOST_KEPT: Final = 0.1
"""Share of blocks that other load hit and that were kept, beyond which a reader is warned."""

MOST_OPERATORS: Final = 8
CAUTION: Final = "CAUTION: "
RANDOM: Final = "random inputs: nothing about accuracy was measured"


def graph_notes(report: Report, label: Callable[[Result], str]) -> list[str]:
    """Says of each QDQ and QOperator file of one recipe whether a runtime runs the same optimised graph for both.

    The pair differs in the file alone where operators and answers are the same: then a difference between their
    times is noise, which makes them a control.
    """
    found: dict[tuple[str, str, str], list[int]] = {}
    for qdq, qoperator in _pairs(report):
        if qdq.operators is not None and qoperator.operators is not None:
            key = (label(qdq), label(qoperator), _compared(qdq, qoperator))
            found.setdefault(key, []).append(qdq.batch_size)
    return [
        f"{first} and {second} at batch {_and([str(size) for size in sizes])}: {text}"
        for (first, second, text), sizes in found.items()
    ]


def _compared(qdq: Result, qoperator: Result) -> str:
    if qdq.operators != qoperator.operators:
        return f"different graphs; {_difference(qdq, qoperator)}"
    if _answers(qdq) != _answers(qoperator):
        return "the same operators, whose outputs differ by rounding (see error %)"
    operators = qdq.operators or ()
    return (
        f"the same {len(operators)} operators and bit-identical outputs ({_chain(operators)}), so their times differ by"
        " noise alone"
    )


def batch_notes(report: Report, label: Callable[[Result], str]) -> list[str]:
    """Names the cases that answer another number of samples right at another batch size."""
    results, titles = report.results, {each.name: each.label for each in report.definitions}
    first: dict[str, Result] = {}
    notes = []
    for result in results:
        other = first.setdefault(result.subject, result)
        if result.evaluation is None or other.evaluation is None:
            continue
        if changed := _counted_otherwise(other.evaluation, result.evaluation):
            told = ", ".join(f"{titles.get(name, name)} {before:,} and {now:,}" for name, before, now in changed)
            notes.append(
                f"{label(result)}: its answers depend on the batch size: at batch {other.batch_size} and"
                f" {result.batch_size}, of {result.evaluation.samples:,} samples, {told}"
            )
    return notes


def _counted_otherwise(one: Evaluation, other: Evaluation) -> list[tuple[str, int, int]]:
    """The metrics that count another number of the same samples, with both numbers."""
    if one.samples != other.samples:
        return []
    both = [(name, one.counts.get(name), now) for name, now in other.counts.items()]
    return [(name, before, now) for name, before, now in both if before is not None and before != now]


def disturbance_notes(report: Report) -> list[str]:
    """How many blocks of calls the machine disturbed."""
    blocks, repeated, kept = disturbances(report)
    if not repeated:
        return []
    again = f"; {kept:,} were hit once more and kept" if kept else ""
    return [f"{repeated:,} of {blocks:,} blocks of calls were hit by other load or stolen time and timed again{again}"]


def caution_notes(report: Report) -> list[str]:
    """What speaks against trusting this run, answers first: each begins with `CAUTION: `."""
    return [f"{CAUTION}{text}" for text in dict.fromkeys(_cautions(report))]


def _cautions(report: Report) -> Iterator[str]:
    yield from report.cautions
    yield from report.warnings
    if report.data.is_random:
        yield RANDOM
    elif not report.cautions and (reason := near_chance(report)):
        yield reason
    widths = [_relative_width(metric) for metric in report.metrics if metric.name == "latency_p50_ns"]
    if widths and (typical := median(widths)) > WIDE:
        width = f"±{typical:.0%} at the median" if typical < 1 else "at the median wider than the value itself"
        made = counted(rounds_made(report), "round")
        why = f"the machine was busy, or there were few rounds ({made}{_cut_by_time(report)})"
        yield f"the intervals of p50 are wide ({width}): {why}. A quiet machine narrows them, or {remedy(report)}."
    yield from exclusive_cautions(report)
    yield from _noise_cautions(report)
    yield from _saturation_cautions(report)
    usable = len(report.environment.usable_cpus)
    threads = max((result.threads for result in report.results), default=1)
    if threads > usable:
        yield f"{threads} threads were asked for and {usable} CPUs can be used."
    elif threads > 1:
        yield "cases of several threads are not pinned to one CPU, so their times spread more."
    timed = {result.subject for result in report.results if result.status == "ok"}
    if timed and report.run.settings.baseline not in timed:
        yield f"the baseline {Lookup(report).label_of(report.run.settings.baseline)} has no times: no speed-ups."


def _cut_by_time(report: Report) -> str:
    asked = report.run.settings.asked_rounds
    return f" of {asked}, which is what the time allowed" if asked is not None and is_cut_by_time(report) else ""


def _noise_cautions(report: Report) -> Iterator[str]:
    """Signs that the machine did other things meanwhile, which intervals over rounds need not show."""
    blocks, _, kept = disturbances(report)
    if kept > MOST_KEPT * blocks:
        yield (
            f"{kept:,} of {blocks:,} blocks of calls were hit by other load twice and kept: the machine was busy, and"
            " these times say little. Run again on a quiet machine."
        )
    for scenario in dict.fromkeys(scenario_of(result) for result in report.results):
        noise = noise_of(report, scenario)
        if noise is not None and noise.ratio.excludes_zero and abs(noise.ratio.mean) > LARGEST_BIAS:
            yield (
                f"at batch {scenario[0]} {noise.case} and its A/A replicate, which are equal, differ by"
                f" {100 * math.expm1(noise.ratio.mean):+z.1f}%: the machine was noisy. Run again."
            )
    yield from _scenario_cautions(report)


def _scenario_cautions(report: Report) -> Iterator[str]:
    """Of each scenario, the case whose A/A replicate is farthest from it, where its interval does not allow that."""
    found: dict[str, list[tuple[float, str, str]]] = {}
    for result in report.results:
        for outcome in result.scenarios:
            replicate = replicate_change(outcome)
            if replicate is not None and not replicate.is_allowed:
                told = f"{replicate.change:+.1%} in {'rate' if replicate.is_rate else 'time'}"
                found.setdefault(outcome.asked, []).append((abs(math.log1p(replicate.change)), result.subject, told))
    for asked, cases in found.items():
        _, subject, told = max(cases)
        others = f" (and so do {counted(len(cases) - 1, 'other case')})" if len(cases) > 1 else ""
        yield (
            f"in {asked} {Lookup(report).label_of(subject)} and its A/A replicate, which are equal, differ by {told},"
            f" more than the interval of its value allows{others}: the machine was noisy. Run again."
        )


def _saturation_cautions(report: Report) -> Iterator[str]:
    """Where ONNX Runtime's products of 8-bit numbers may saturate: x86 without VNNI instructions."""
    environment = report.environment
    if environment.machine != "x86_64" or any("vnni" in flag for flag in environment.cpu_flags):
        return
    run = {result.artifact for result in report.results if result.status == "ok"}
    found = [artifact.variant for artifact in report.artifacts if artifact.id in run and may_saturate(artifact)]
    if found:
        yield (
            f"this processor has no VNNI instructions: sums of two 8-bit products may saturate in {listed(found, 3)},"
            " which answer otherwise elsewhere. crossrt diagnose shows how much is lost."
        )


def may_saturate(artifact: Artifact) -> bool:
    """True for files of 8-bit integers whose products may saturate on x86 without VNNI instructions."""
    how = artifact.quantization
    return (
        how is not None
        and how.representation in ("qdq", "qoperator")
        and how.weight_type == "int8"
        and not how.reduce_range
    )


def _relative_width(metric: Metric) -> float:
    """Half of the interval over the value; 0 where no interval is known."""
    if metric.lower is UNSET or metric.upper is UNSET:
        return 0.0
    return (metric.upper - metric.lower) / 2 / metric.value


def _pairs(report: Report) -> Iterator[tuple[Result, Result]]:
    """Cases of one runtime and scenario whose files say the same quantization as QDQ and as QOperator."""
    files = {artifact.id: artifact for artifact in report.artifacts}
    scored = [result for result in report.results if result.evaluation is not None and result.artifact in files]
    for one, other in combinations(scored, 2):
        if (one.runtime, scenario_of(one)) != (other.runtime, scenario_of(other)):
            continue
        first, second = files[one.artifact], files[other.artifact]
        if first.model != second.model or first.quantization is None or second.quantization is None:
            continue
        if _how(first.quantization) != _how(second.quantization):
            continue
        names = (first.quantization.representation, second.quantization.representation)
        if names == ("qdq", "qoperator"):
            yield one, other
        elif names == ("qoperator", "qdq"):
            yield other, one


def _how(quantization: Quantization) -> tuple[object, ...]:
    """Everything but the representation, and what follows from it."""
    left_out = ("representation", "recipe", "known_issues", "cost_issues", "quantized_share")
    return tuple(getattr(quantization, name) for name in quantization.__struct_fields__ if name not in left_out)


def _answers(result: Result) -> str | None:
    return result.evaluation.answers_sha256 if result.evaluation else None


def _chain(operators: Sequence[str]) -> str:
    """`QLinearConv, NhwcMaxPool x2, ...`: repetitions of one operator are counted, a long graph is cut."""
    runs = [(name, len(list(run))) for name, run in groupby(operators)]
    return listed([name if count == 1 else f"{name} x{count}" for name, count in runs], MOST_OPERATORS)


def _difference(one: Result, other: Result) -> str:
    first, second = one.operators or (), other.operators or ()
    extra, missing = set(first) - set(second), set(second) - set(first)
    if not extra and not missing:
        return f"{len(first)} and {len(second)} operators of the same kinds"
    return f"only the first runs {_listed(extra)}; only the second {_listed(missing)}"


def _listed(operators: set[str]) -> str:
    return listed(sorted(operators), MOST_OPERATORS) or "nothing of its own"


def _and(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
