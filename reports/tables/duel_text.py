"""An A/B comparison in words and lines, for the terminal while it runs and after it."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from crossrt.reports.schema.records import Arm, Duel
from crossrt.reports.statistics.metrics import latency_percentile
from crossrt.reports.statistics.paired import answered_alike
from crossrt.reports.tables.findings import CAUTION, RANDOM
from crossrt.reports.tables.terminal import print_cautions
from crossrt.reports.text.cells import counted, time_text, times_as_fast
from crossrt.reports.text.labels import case_labels, runtime_text
from crossrt.reports.text.markdown import escaped
from crossrt.reports.text.printable import printable
from crossrt.reports.text.trimmed import Trimmed
from crossrt.reports.verdicts.duel import Judgement, judge_duel

_CLEARLY = 0.8
"""A ratio of times below which it is said how many times as fast, not how much less time."""

WIDEST = math.log(1e6)
"""A logarithm of a ratio above which it is called unbounded: rounds that allow for it tell nothing about it."""

BUSY = 0.1
"""Share of blocks that were disturbed twice above which a reader is warned."""

_OF_TIMES = "(µs: p50 as crossrt bench has it; the ratio below is that of the calls that nothing disturbed)"
_BAR_WIDTH = 33
_NAME_WIDTH = len("time of B / time of A")
_STYLES = {"A faster": "bold", "B faster": "bold", "same": "bold", "inconclusive": "bold yellow"}


def progress_line(judgement: Judgement, margin: float) -> str:
    """The interval so far, drawn on a scale whose inner marks are the margin."""
    if not math.isfinite(judgement.ratio.half):
        return f"round {judgement.rounds}"
    lower, upper = (_percent(bound) for bound in (judgement.ratio.lower, judgement.ratio.upper))
    return f"round {judgement.rounds}: B / A {lower} to {upper} {interval_bar(judgement, margin, 25)}"


def interval_bar(judgement: Judgement, margin: float, width: int = _BAR_WIDTH) -> str:
    """`[   |   --o--  |     ]`: the interval, 0 in the middle, the margin at a quarter of the width on each side.

    What lies beyond an end is an arrow there.
    """
    middle, unit = width // 2, max(math.log1p(margin), 1e-3) / (width // 4)

    def place(logarithm: float) -> int:
        return middle + round(max(-1e6, min(1e6, logarithm / unit)))

    line = [" "] * width
    for mark in (middle - width // 4, middle + width // 4):
        line[mark] = "|"
    line[middle] = "."
    ratio = judgement.ratio
    for index in range(max(0, place(ratio.lower)), min(width - 1, place(ratio.upper)) + 1):
        line[index] = "-"
    if place(ratio.lower) < 0:
        line[0] = "<"
    if place(ratio.upper) >= width:
        line[-1] = ">"
    if 0 <= place(ratio.mean) < width:
        line[place(ratio.mean)] = "o"
    return f"[{''.join(line)}]"


def duel_lines(duel: Duel) -> list[str]:
    """The verdict, the two sides, and what the verdict rests on."""
    judgement = judge_duel(duel)
    facts = [f"{name:<{_NAME_WIDTH}}  {text}" for name, text in evidence(judgement, duel)]
    return [duel_headline(duel, judgement), "", *_arm_lines(duel), "", *facts]


def duel_headline(duel: Duel, judgement: Judgement) -> str:
    """The verdict as one sentence, or why there is none."""
    for label, arm in (("A", duel.a), ("B", duel.b)):
        if arm.result.status != "ok":
            reason = f": {arm.result.reason}" if arm.result.reason else ""
            return f"No verdict: {label} {arm.result.status} after {counted(judgement.rounds, 'round')}{reason}"
    if duel.run.status == "interrupted" and judgement.verdict == "inconclusive":
        return f"Inconclusive: interrupted after {counted(judgement.rounds, 'round')}"
    return headline(judgement, duel.margin)


def headline(judgement: Judgement, margin: float) -> str:
    """The verdict as one sentence."""
    name, size = judgement.verdict, f"{margin:.3g}" if margin >= 1 else f"{margin * 100:.3g}%"
    ratio = judgement.ratio
    if name == "A faster":
        return f"A is {_faster(ratio.mean)} as B (margin {size})"
    if name == "B faster":
        return f"B is {_faster(-ratio.mean)} as A (margin {size})"
    if name == "same":
        return (
            f"Same within {size}: the time of B differs from A's by {_percent(ratio.lower)} to {_percent(ratio.upper)}"
        )
    return f"Inconclusive: {_why_inconclusive(judgement, size)}"


def _faster(logarithm: float) -> str:
    """The whole interval is beyond the margin, so the plain ratio is what counts."""
    return times_as_fast(math.exp(logarithm), 3)


def _why_inconclusive(judgement: Judgement, size: str) -> str:
    ratio = judgement.ratio
    if judgement.recurred is False:
        return "the first rounds showed a difference that did not recur in fresh processes"
    if not math.isfinite(ratio.half):
        return "too few rounds were finished"
    if ratio.excludes_zero:
        word = "slower" if ratio.mean > 0 else "faster"
        return f"B is {word}, but whether by more than {size} is open; a larger --budget could tell"
    return f"these rounds do not show whether A and B differ by more than {size}; a larger --budget could"


def gate_line(duel: Duel) -> str:
    """What `--fail-if-slower` came to."""
    judgement = judge_duel(duel)
    size, upper = f"{duel.margin * 100:.3g}%", math.exp(judgement.ratio.upper) if judgement.rounds > 1 else math.inf
    if "failed" in (duel.a.result.status, duel.b.result.status):
        return "gate: undecided, an arm failed"
    if judgement.b_is_slower:
        return f"gate: FAILED, B is slower by more than {size}"
    if judgement.b_is_not_slower(duel.margin):
        return f"gate: passed, {_at_most(upper)}"
    return f"gate: undecided, B may be slower by more than {size}; {_at_most(upper)}"


def _at_most(upper: float) -> str:
    """The end of the interval in words: of a B that is clearly faster, how much."""
    if upper > math.exp(WIDEST):
        return "too few rounds were finished to say by how much"
    if upper < _CLEARLY:
        return f"B is at least {times_as_fast(1 / upper)} as A"
    return f"B takes at {'most' if upper >= 1 else 'least'} {time_text(upper)} than A"


def evidence(judgement: Judgement, duel: Duel) -> list[tuple[str, str]]:
    """The ratio, what could have been seen, the control, and what the machine did meanwhile: names and texts."""
    if not math.isfinite(judgement.ratio.half):
        return [("measured", f"{counted(judgement.rounds, 'round')}: too few for an interval")]
    ratio, control = judgement.ratio, judgement.control
    bias = (
        "A and B differ where they should not, so the interval above was widened by that much"
        if judgement.is_biased
        else "equals were found equal"
    )
    facts = [
        (
            "time of B / time of A",
            f"{_ratio(ratio.mean)}, 99% interval {_ratio(ratio.lower)} to {_ratio(ratio.upper)}",
        ),
        ("", f"{interval_bar(judgement, duel.margin)}  . is 1, | the margin"),
        ("smallest visible", _visible(ratio.resolution())),
        ("A/A control", f"{_percent(control.mean)} ±{_size(control.half)}: {bias}"),
        *_answers(duel),
        ("measured", _how(judgement, duel)),
    ]
    disturbed = _disturbance(duel)
    return [*facts, ("disturbed", disturbed)] if disturbed else facts


def _answers(duel: Duel) -> list[tuple[str, str]]:
    """How many samples both arms answer alike, where both were scored on the same data."""
    if not duel.answers_repeat:
        return [("answers", "not compared: the reference does not repeat its own")]
    one, other = duel.a.result.evaluation, duel.b.result.evaluation
    alike = answered_alike(one, other) if one is not None and other is not None else None
    if alike is None:
        return _outputs(duel)
    changed = int((~alike).sum())
    text = f"B answers {changed:,} of {counted(len(alike), 'sample')} differently than A" if changed else "the same"
    return [("answers", text)]


def _outputs(duel: Duel) -> list[tuple[str, str]]:
    """The same of outputs that are no classes, as far as they were compared."""
    apart = duel.distance.relative if duel.distance is not None else None
    if apart is None:
        return []
    return [("answers", f"B's outputs differ from A's by {100 * apart:.2g}% of their size" if apart else "the same")]


def _how(judgement: Judgement, duel: Duel) -> str:
    settings = duel.run.settings
    looks = f", {counted(len(duel.looks), 'look')}" if duel.looks else ""
    recurred = {None: "", True: ", and the verdict recurred in fresh processes", False: ""}[judgement.recurred]
    is_pinned = settings.pinned_cpu is not None and duel.a.result.threads == duel.b.result.threads == 1
    pinned = f" on CPU {settings.pinned_cpu}" if is_pinned else ""
    return f"{counted(judgement.rounds, 'round')} of 4 fresh processes{pinned}{looks}{recurred}"


def _disturbance(duel: Duel) -> str:
    rounds = [each for arm in (duel.a, duel.b) for each in (*arm.result.rounds, *arm.replicate_rounds)]
    blocks = sum(len(each.blocks_ns) for each in rounds)
    repeated, kept = sum(each.repeated_blocks for each in rounds), sum(len(each.disturbed_blocks) for each in rounds)
    if not repeated:
        return ""
    again = f"{kept:,} were hit once more and kept" if kept else "none was hit once more"
    caution = "CAUTION: the machine was busy; see crossrt doctor. " if kept > BUSY * blocks else ""
    return f"{caution}{repeated:,} of {blocks:,} blocks were hit by other load or stolen time and timed again; {again}"


def _arm_lines(duel: Duel) -> list[str]:
    rows = _arm_rows(duel)
    width = max(len(name) for _, name, *_ in rows)
    return [*(f"{label}  {name:<{width}}  {'  '.join(rest)}" for label, name, *rest in rows), _OF_TIMES]


def _arm_rows(duel: Duel) -> list[tuple[str, str, str, str]]:
    """Label, name, time and software of each side."""
    names = case_labels([duel.a.result, duel.b.result])
    sides = (("A", duel.a), ("B", duel.b))
    return [(label, names[arm.result.case], _latency(arm), _software(arm)) for label, arm in sides]


def _latency(arm: Arm) -> str:
    """As the report of the arm has it, which a replicate has no part in."""
    p50 = latency_percentile(arm.result.rounds, 50)
    return "no times" if p50 is None else f"{p50.value / 1000:8.1f} µs"


def _software(arm: Arm) -> str:
    return f"{runtime_text(arm.result.runtime, arm.result.runtime_version)}, {arm.environment.python}"


def _visible(resolution: float) -> str:
    if resolution > WIDEST:
        return "no difference would have been seen 95 times in 100"
    return f"a difference of {_size(resolution)} would have been seen 95 times in 100"


def _ratio(logarithm: float) -> str:
    return f"{math.exp(logarithm):.4f}" if logarithm <= WIDEST else "unbounded"


def _percent(logarithm: float) -> str:
    return f"{100 * math.expm1(logarithm):+z.1f}%" if logarithm <= WIDEST else "unbounded"


def _size(logarithm: float) -> str:
    return f"{100 * math.expm1(logarithm):.1f}%" if logarithm <= WIDEST else "unbounded"


def print_duel(duel: Duel, console: Console) -> None:
    """Prints the verdict first, below what speaks against believing it."""
    judgement = judge_duel(duel)
    print_cautions(_cautions(duel), console)
    console.print(Text(printable(duel_headline(duel, judgement)), style=_STYLES[judgement.verdict]))
    console.print()
    arms = Table.grid(Column(), Column(overflow="fold"), Column(no_wrap=True), Column(), padding=(0, 2))
    for row in _arm_rows(duel):
        arms.add_row(*(Text(printable(each)) for each in row))
    console.print(Trimmed(arms))
    console.print(Text(_OF_TIMES))
    console.print()
    facts = Table.grid(padding=(0, 2))
    for name, text in evidence(judgement, duel):
        facts.add_row(Text(name), Text(printable(text)))
    console.print(Trimmed(facts))


def _cautions(duel: Duel) -> list[str]:
    return list(dict.fromkeys((*duel.cautions, *duel.warnings, *([RANDOM] if duel.data.is_random else []))))


def duel_as_markdown(duel: Duel) -> str:
    """GitHub-flavoured Markdown: the verdict, and what it rests on as a block."""
    first, _, *rest = (printable(line).replace("\n", " ").replace("`", "'") for line in duel_lines(duel))
    cautions = [line for text in _cautions(duel) for line in (f"{CAUTION}{escaped(text)}", "")]
    return "\n".join([*cautions, f"**{escaped(first)}**", "", "```", *rest, "```"]) + "\n"
