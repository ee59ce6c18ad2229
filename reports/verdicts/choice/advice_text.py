"""The advice in words: what to ship, why, and what would tell more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.noise import DECIDING_ALPHA
from crossrt.reports.statistics.paired import PairedChange
from crossrt.reports.statistics.rounds import remedy
from crossrt.reports.statistics.samples_needed import needed_text, samples_needed
from crossrt.reports.tables.headline import change_text, ratio_interval
from crossrt.reports.text.cells import counted, listed, times_as_fast
from crossrt.reports.verdicts.choice.advice import Advice, Budget, Candidate, is_small_enough, scale_of_budget
from crossrt.reports.verdicts.choice.relations import Relating

MOST_NAMED: Final = 6


def advice_lines(report: Report, advice: Advice, budget: Budget) -> list[str]:
    """The advice in words: what, why, what else was considered, what does not fit."""
    relating = Relating(report)
    label = relating.look.label
    lines = [_head(relating, advice, budget)]
    if advice.chosen is not None and (advice.chosen.result is not advice.baseline or advice.tied):
        lines.append("")
        lines.append(_measures(relating, advice.chosen, advice.baseline))
        if advice.tied and advice.is_proven:
            names = ", ".join(label(each.result) for each in advice.tied)
            lines.append(f"statistically indistinguishable from it in latency (99% intervals), and no smaller: {names}")
    if advice.undecided:
        names = listed([label(each.result) for each in advice.undecided], MOST_NAMED)
        lines.append(f"too few rounds to tell it from {names} in latency: {remedy(report)} would")
    rejected = [f"{label(each.result)} {each.problem}" for each in advice.candidates if each.problem]
    if rejected:
        more = f"; and {len(rejected) - MOST_NAMED} more" if len(rejected) > MOST_NAMED else ""
        lines.append(f"not shown to keep to the budget, fastest first: {'; '.join(rejected[:MOST_NAMED])}{more}")
    if hint := _hint(relating, advice, budget):
        lines.append(hint)
    return lines


def choice_text(report: Report, advice: Advice, budget: Budget) -> str:
    """The advice in one sentence: what, within which budget, how fast and how large, and what more samples may show."""
    relating = Relating(report)
    hint = _hint(relating, advice, budget)
    after = f"; {hint}" if hint else ""
    if advice.chosen is None:
        return f"nothing fits: {_allowed(relating, advice, budget)}{after}"
    chosen, baseline = advice.chosen.result, advice.baseline
    if chosen is baseline or not advice.is_proven:
        return f"{_baseline_text(relating, advice, budget)}{after}"
    name = relating.look.label(chosen)
    sizes = [relating.look.metric(each, "size_bytes") for each in (chosen, baseline)]
    size = f", {sizes[0].value / sizes[1].value:.0%} of the size" if sizes[0] and sizes[1] and sizes[1].value else ""
    where = f"{_reason(relating, advice)} within the budget ({_allowed(relating, advice, budget)})"
    return f"{name}, {where}: {_ratio_text(relating, chosen, baseline, relating.look.label(baseline))}{size}{after}"


def _reason(relating: Relating, advice: Advice) -> str:
    batch = advice.scenario[0]
    if advice.chosen and relating.latency(advice.baseline, advice.chosen.result) == "even":
        return f"as fast as the baseline at batch {batch} as far as the rounds show, and smaller,"
    return f"the fastest at batch {batch}"


def _ratio_text(relating: Relating, case: Result, baseline: Result, name: str) -> str:
    """`2.67 times as fast as fp32@ort-cpu [2.51, 2.84]`: as the tables have it, with its 95% interval."""
    metric = relating.look.metric(case, "speedup_p50")
    if metric is None:
        return f"{times_as_fast(math.exp(relating.latency_ratio(baseline, case).mean))} as {name}"
    return f"{times_as_fast(metric.value)} as {name}{ratio_interval(metric)}"


def _head(relating: Relating, advice: Advice, budget: Budget) -> str:
    """What to ship, in its first line."""
    allowed = _allowed(relating, advice, budget)
    if advice.chosen is None:
        return f"Nothing fits: {allowed}"
    if advice.chosen.result is advice.baseline or not advice.is_proven:
        return f"Ship {_baseline_text(relating, advice, budget)}"
    name = relating.look.label(advice.chosen.result)
    return f"Ship {name}: {_reason(relating, advice)} within the budget ({allowed})"


def _baseline_text(relating: Relating, advice: Advice, budget: Budget) -> str:
    """Why the baseline is shipped: it is the fastest, or those that are faster are not within the budget."""
    name, baseline = relating.look.label(advice.baseline), advice.baseline
    allowed = _allowed(relating, advice, budget)
    if advice.chosen is not None and not advice.is_proven:
        lowest = advice.chosen.result
        ratio = _ratio_text(relating, lowest, baseline, "it")
        return (
            f"{name}, the baseline: these rounds do not show that any case within the budget is faster at batch"
            f" {advice.scenario[0]} (lowest p50: {relating.look.label(lowest)}, {ratio});"
            f" {remedy(relating.look.report)} or a quiet machine would tell (budget: {allowed})"
        )
    if not _faster(relating, advice, baseline):
        is_first = advice.candidates[0].result is baseline
        found = f"the fastest at batch {advice.scenario[0]}" if is_first else "no other case is known to be faster"
        return f"{name}, the baseline: {found} (budget: {allowed})"
    return f"{name}, the baseline: no faster case is proven to keep to the budget ({allowed})"


def _faster(relating: Relating, advice: Advice, chosen: Result) -> list[Candidate]:
    return [each for each in advice.candidates if relating.latency(each.result, chosen) == "better"]


def _hint(relating: Relating, advice: Advice, budget: Budget) -> str | None:
    """Which faster case lacks nothing but samples to be chosen, and how many; also the one that lacks fewest."""
    chosen, definition = advice.chosen, relating.look.primary
    faster = advice.candidates if chosen is None else _faster(relating, advice, chosen.result)
    lacking = _lacking(relating, faster, advice.baseline, budget)
    if definition is None or not lacking:
        return None
    first, fewest = lacking[0], min(lacking, key=lambda each: each.needed)
    evaluation, label = advice.baseline.evaluation, relating.look.label
    value = evaluation.values.get(definition.name) if evaluation else None
    found = change_text(first.change, definition, value)
    also = f" ({label(fewest.case)}: about {fewest.needed:,})" if fewest.needed < first.needed else ""
    needed = needed_text(first.change, first.needed)
    return f"{label(first.case)} is within the budget so far ({found}), but {needed}{also}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lacking:
    """A case that is outside the budget for want of samples alone, and how many it takes."""

    case: Result
    change: PairedChange
    needed: int


def _lacking(relating: Relating, candidates: Sequence[Candidate], baseline: Result, budget: Budget) -> list[_Lacking]:
    """Those that are outside the budget for want of samples alone, in the given order."""
    definition = relating.look.primary
    if definition is None:
        return []
    allowed = budget.drop * scale_of_budget(definition, baseline)
    return [
        _Lacking(case=each.result, change=each.change, needed=needed)
        for each in candidates
        if each.problem is not None
        and each.change is not None
        and is_small_enough(relating, each.result, budget)
        and (needed := samples_needed(each.change, definition, allowed, DECIDING_ALPHA)) is not None
    ]


def _allowed(relating: Relating, advice: Advice, budget: Budget) -> str:
    definition, name = relating.look.primary, relating.look.label(advice.baseline)
    if definition is None or all(each.change is None for each in advice.candidates):
        allowed = f"a relative error of at most {100 * budget.drop:g}%"
    elif definition.unit == "share":
        allowed = f"at most {100 * budget.drop:g} pp of {definition.label} below {name}"
    else:
        allowed = f"{definition.label} at most {100 * budget.drop:g}% worse than that of {name}"
    if budget.size_bytes is not None:
        allowed += f", at most {budget.size_bytes / 1000:g} KB"
    return allowed


def _measures(relating: Relating, candidate: Candidate, baseline: Result) -> str:
    ratio = _ratio_text(relating, candidate.result, baseline, "the baseline")
    text = f"{relating.look.label(candidate.result)}: {ratio}"
    change, definition = candidate.change, relating.look.primary
    if change is None or definition is None:
        return f"{text}; relative error of the outputs {candidate.error or 0.0:.2%}"
    value = baseline.evaluation.values.get(definition.name) if baseline.evaluation else None
    text += f"; {definition.label} {change_text(change, definition, value)} (99% interval"
    if change.broken is not None and change.fixed is not None:
        text += f"; {counted(change.fixed, 'sample')} fixed, {change.broken:,} broken"
    return f"{text})"
