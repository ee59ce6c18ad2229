"""What a report shows beyond its numbers: which cases turn out to be the same computation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import median

from msgspec import UNSET

from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.statistics.noise import disturbances, noise_of

WIDE = 0.1
MOST_KEPT = 0.1
"""Share of blocks that other load hit and that were kept, beyond which a reader is warned."""

LARGEST_BIAS = 0.02
"""A difference of two equals, as a logarithm, beyond which a reader is warned where its interval leaves out 0."""


def graph_notes(results: Sequence[Result], label: Callable[[Result], str]) -> list[str]:
    """Says of each QDQ and QOperator pair whether the runtime runs the same optimised graph for both.

    The pair differs in the file alone where operators and answers are the same: then a difference between their
    times is noise, which makes them a control.
    """
    notes = []
    for qdq, qoperator in _pairs(results):
        where = f"batch {qdq.batch_size}"
        if qdq.operators is None or qoperator.operators is None:
            continue
        if qdq.operators != qoperator.operators:
            notes.append(
                f"{label(qdq)} and {label(qoperator)} run different graphs at {where}: {_difference(qdq, qoperator)}"
            )
        elif _answers(qdq) == _answers(qoperator):
            notes.append(
                f"{label(qdq)} and {label(qoperator)} run the same {len(qdq.operators)} operators at {where} and give"
                f" bit-identical logits ({_chain(qdq.operators)}): their times differ by noise alone."
            )
        else:
            notes.append(
                f"{label(qdq)} and {label(qoperator)} run the same operators at {where}, but their logits differ."
            )
    return _merged(notes)


def batch_notes(results: Sequence[Result], label: Callable[[Result], str]) -> list[str]:
    """Names the cases that call other digits right at another batch size."""
    first: dict[str, Result] = {}
    notes = []
    for result in results:
        reference = first.setdefault(result.case.partition("/")[0], result)
        if result.accuracy and reference.accuracy and result.accuracy.correct != reference.accuracy.correct:
            notes.append(
                f"{label(result)} calls {result.accuracy.correct} digits right at batch {result.batch_size},"
                f" {reference.accuracy.correct} at batch {reference.batch_size}."
            )
    return notes


def disturbance_notes(report: Report) -> list[str]:
    """How many blocks of calls the machine disturbed."""
    blocks, repeated, kept = disturbances(report)
    if not repeated:
        return []
    return [
        f"{repeated:,} of {blocks:,} blocks of calls were hit by other load or stolen time and timed again; {kept:,}"
        " were hit once more and kept."
    ]


def caution_notes(report: Report) -> list[str]:
    """What speaks against trusting the times of this run."""
    notes = []
    widths = [_relative_width(metric) for metric in report.metrics if metric.name == "latency_p50_ns"]
    if widths and (typical := median(widths)) > WIDE:
        notes.append(
            f"CAUTION: the intervals of p50 are wide (±{typical:.0%} at the median): the machine was busy, or"
            " there were few rounds. Run again on a quiet machine or with more --rounds."
        )
    notes += [*_restless_notes(report), *_saturation_notes(report)]
    usable = len(report.environment.usable_cpus)
    threads = max((result.threads for result in report.results), default=1)
    if threads > usable:
        notes.append(f"CAUTION: {threads} threads were asked for and {usable} CPUs can be used.")
    if threads > 1:
        notes.append("CAUTION: cases of several threads are not pinned to one CPU, so their times spread more.")
    timed = {result.case.partition("/")[0] for result in report.results if result.status == "ok"}
    if timed and report.run.settings.baseline not in timed:
        notes.append(f"CAUTION: the baseline {report.run.settings.baseline} has no times, so there are no speed-ups.")
    return notes


def _restless_notes(report: Report) -> list[str]:
    """Signs that the machine did other things meanwhile, which intervals over rounds need not show."""
    notes = []
    blocks, _, kept = disturbances(report)
    if kept > MOST_KEPT * blocks:
        notes.append(
            f"CAUTION: {kept:,} of {blocks:,} blocks of calls were hit by other load twice and kept: the machine was"
            " busy, and these times say little. Run again on a quiet machine."
        )
    for scenario in dict.fromkeys(scenario_of(result) for result in report.results):
        noise = noise_of(report, scenario)
        if noise is not None and noise.ratio.excludes_zero and abs(noise.ratio.mean) > LARGEST_BIAS:
            notes.append(
                f"CAUTION: at batch {scenario[0]} {noise.case} and its twin, which are equal, differ by"
                f" {100 * math.expm1(noise.ratio.mean):+.1f}%: the machine was restless. Run again."
            )
    return notes


def _saturation_notes(report: Report) -> list[str]:
    """Where ONNX Runtime's products of 8-bit numbers may saturate: x86 without VNNI instructions."""
    environment = report.environment
    if environment.machine != "x86_64" or any("vnni" in flag for flag in environment.cpu_flags):
        return []
    run = {result.artifact for result in report.results if result.status == "ok"}
    found = [
        artifact.variant
        for artifact in report.artifacts
        if artifact.id in run
        and (how := artifact.quantization) is not None
        and how.representation in ("qdq", "qoperator")
        and how.weight_type == "int8"
        and not how.reduce_range
    ]
    if not found:
        return []
    shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return [
        f"CAUTION: this processor has no VNNI instructions: sums of two 8-bit products may saturate in {shown}, which"
        " answer otherwise elsewhere. crossrt diagnose shows how much is lost."
    ]


def _relative_width(metric: Metric) -> float:
    """Half of the interval over the value; 0 where no interval is known."""
    if metric.lower is UNSET or metric.upper is UNSET:
        return 0.0
    return (metric.upper - metric.lower) / 2 / metric.value


def _pairs(results: Sequence[Result]) -> list[tuple[Result, Result]]:
    measured = {result.case: result for result in results if result.accuracy is not None}
    pairs = [
        (result, measured.get(case.replace("-qdq@", "-qoperator@")))
        for case, result in measured.items()
        if "-qdq@" in case
    ]
    return [(qdq, qoperator) for qdq, qoperator in pairs if qoperator is not None]


def _answers(result: Result) -> str | None:
    return result.accuracy.logits_sha256 if result.accuracy else None


def _chain(operators: Sequence[str]) -> str:
    """`QLinearConv, NhwcMaxPool x2, ...`: runs of one operator are counted."""
    runs = [(name, len(list(run))) for name, run in groupby(operators)]
    return ", ".join(name if count == 1 else f"{name} x{count}" for name, count in runs)


def _difference(one: Result, other: Result) -> str:
    first, second = one.operators or (), other.operators or ()
    extra, missing = set(first) - set(second), set(second) - set(first)
    if not extra and not missing:
        return f"{len(first)} against {len(second)} operators of the same kinds"
    return f"only the first runs {_listed(extra)}; only the second {_listed(missing)}"


def _listed(operators: set[str]) -> str:
    return ", ".join(sorted(operators)) or "nothing of its own"


def _merged(notes: Sequence[str]) -> list[str]:
    """One note where batch sizes differ in nothing but their number."""
    merged: dict[str, list[str]] = {}
    for note in notes:
        before, _, rest = note.partition("batch ")
        size = rest.split(maxsplit=1)[0].rstrip(":,.")
        merged.setdefault(f"{before}batch @{rest[len(size) :]}", []).append(size)
    return [text.replace("batch @", f"batch {_and(sizes)}", 1) for text, sizes in merged.items()]


def _and(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
