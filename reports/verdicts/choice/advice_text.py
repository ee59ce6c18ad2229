"""The advice in words: what to ship, why, and what would tell more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.noise import DECIDING_ALPHA
from crossrt.reports.statistics.paired import PairedChange
from crossrt.reports.statistics.rounds import remedy
from crossrt.reports.statistics.samples_needed import needed_text, samples_needed
from crossrt.reports.tables.headline import change_text
from crossrt.reports.text.cells import counted, listed, times_as_fast
from crossrt.reports.verdicts.choice.advice import Advice, Budget, Candidate, scale_of_budget
from crossrt.reports.verdicts.choice.relations import Relating

MOST_NAMED: Final = 6


def advice_lines(report: Report, advice: Advice, budget: Budget) -> list[str]:
    """The advice in words: what, why, what else was considered, what does not fit."""
    relating = Relating(report)
    label = relating.look.label
    allowed = _allowed(relating, advice, budget)
    lines = []
    if advice.chosen is None:
        lines.append(f"Nothing fits: {allowed}")
    else:
        chosen = advice.chosen
        where = f"at batch {advice.scenario[0]}"
        lines.append(f"Ship {label(chosen.result)}: the fastest {where} within the budget ({allowed})")
        lines.append("")
        lines.append(_measures(relating, chosen, advice.baseline))
        if advice.tied:
            names = ", ".join(label(each.result) for each in advice.tied)
            lines.append(f"statistically indistinguishable from it in latency (99% intervals), and no smaller: {names}")
    if advice.undecided:
        names = listed([label(each.result) for each in advice.undecided], MOST_NAMED)
        lines.append(f"too few rounds to tell it from {names} in latency: {remedy(report)} would")
    rejected = [f"{label(each.result)} {each.problem}" for each in advice.candidates if each.problem]
    if rejected:
        more = f"; and {len(rejected) - MOST_NAMED} more" if len(rejected) > MOST_NAMED else ""
        lines.append(f"outside the budget, fastest first: {'; '.join(rejected[:MOST_NAMED])}{more}")
    if lacking := _lacking(relating, advice.candidates, advice.baseline, budget):
        lines.append(f"{label(lacking[0].result)}, to keep to the budget: {needed_text(lacking[1], lacking[2])}")
    return lines


def choice_text(report: Report, advice: Advice, budget: Budget) -> str:
    """The advice in one sentence: what, within which budget, how fast and how large."""
    relating = Relating(report)
    allowed = _allowed(relating, advice, budget)
    if advice.chosen is None:
        return f"nothing fits: {allowed}"
    chosen, baseline = advice.chosen.result, advice.baseline
    name = relating.look.label(chosen)
    if chosen is baseline:
        return _baseline_text(relating, advice, budget)
    ratio = math.exp(relating.latency_ratio(baseline, chosen).mean)
    sizes = [relating.look.metric(each, "size_bytes") for each in (chosen, baseline)]
    size = f", {sizes[0].value / sizes[1].value:.0%} of the size" if sizes[0] and sizes[1] and sizes[1].value else ""
    where = f"the fastest at batch {advice.scenario[0]} within the budget ({allowed})"
    return f"{name}, {where}: {times_as_fast(ratio)} as {relating.look.label(baseline)}{size}"


def _baseline_text(relating: Relating, advice: Advice, budget: Budget) -> str:
    """Why the baseline is shipped: it is the fastest, or those that are faster are not within the budget."""
    name, baseline = relating.look.label(advice.baseline), advice.baseline
    faster = [each for each in advice.candidates if relating.latency(each.result, baseline) == "better"]
    if not faster:
        is_first = advice.candidates[0].result is baseline
        found = f"the fastest at batch {advice.scenario[0]}" if is_first else "no other case is known to be faster"
        return f"{name}, the baseline: {found}"
    allowed = _allowed(relating, advice, budget, name="it")
    text = f"{name}, the baseline: no faster case is certain to keep to the budget ({allowed})"
    lacking = _lacking(relating, faster, baseline, budget)
    return f"{text}; {needed_text(lacking[1], lacking[2])}" if lacking else text


def _lacking(
    relating: Relating, candidates: Sequence[Candidate], baseline: Result, budget: Budget
) -> tuple[Candidate, PairedChange, int] | None:
    """The case that is outside the budget for want of samples alone, of several the one that lacks fewest."""
    definition = relating.look.primary
    if definition is None:
        return None
    allowed = budget.drop * scale_of_budget(definition, baseline)
    found = [
        (each, each.change, needed)
        for each in candidates
        if each.problem is not None
        and each.change is not None
        and (needed := samples_needed(each.change, definition, allowed, DECIDING_ALPHA)) is not None
    ]
    return min(found, key=lambda each: each[2], default=None)


def _allowed(relating: Relating, advice: Advice, budget: Budget, name: str | None = None) -> str:
    definition, name = relating.look.primary, name or relating.look.label(advice.baseline)
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
    ratio = math.exp(relating.latency_ratio(baseline, candidate.result).mean)
    text = f"{relating.look.label(candidate.result)}: {times_as_fast(ratio)} as the baseline"
    change, definition = candidate.change, relating.look.primary
    if change is None or definition is None:
        return f"{text}; relative error of the outputs {candidate.error or 0.0:.2%}"
    value = baseline.evaluation.values.get(definition.name) if baseline.evaluation else None
    text += f"; {definition.label} {change_text(change, definition, value)} (99% interval"
    if change.broken is not None and change.fixed is not None:
        text += f"; {counted(change.fixed, 'sample')} fixed, {change.broken:,} broken"
    return f"{text})"
