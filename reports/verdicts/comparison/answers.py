"""What became of answers: metrics over the same samples, and whether the answers themselves changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.statistics.chance import near_chance
from crossrt.reports.statistics.definitions import ANSWERS
from crossrt.reports.statistics.paired import PairedChange, answered_alike, paired_change
from crossrt.reports.statistics.samples_needed import needed_text, samples_needed
from crossrt.reports.verdicts.comparison.basis import ALPHA, Basis
from crossrt.reports.verdicts.comparison.comparable import runs_other_instructions
from crossrt.reports.verdicts.comparison.findings import Finding, Verdict
from crossrt.reports.verdicts.comparison.judging import finding_of, plain_finding, verdict_of
from crossrt.reports.verdicts.comparison.pairing import Pair
from crossrt.reports.verdicts.comparison.rules import margin_for

TOLERANCE: Final = 1e-3
"""Numbers count as the same answer where what they contribute to a metric differs by less, relative to its mean."""


def answer_findings(basis: Basis) -> Iterator[Finding]:
    """Metrics of answers to the same samples, and changed answers."""
    if basis.differences.accuracy:
        return
    for pair, definition, margin in basis.judged("samples"):
        before, after = pair.baseline.evaluation, pair.current.evaluation
        if before is None or after is None or answers_by_instructions(basis, pair):
            continue
        found = paired_change(before, after, definition, ALPHA)
        if found is None:
            yield from plain_finding(basis, pair, definition, margin)
        else:
            yield _paired_finding(basis, pair, definition, margin, found)
    yield from changed_answers(basis)


def samples_note(basis: Basis) -> str | None:
    """How many samples would decide what these are too few for, of the metric that lacks most; None where none is.

    It is said once: what several cases and metrics lack is nearly the same.
    """
    found: list[tuple[int, str]] = []
    for pair, definition, margin in () if basis.differences.accuracy else basis.judged("samples"):
        before, after = pair.baseline.evaluation, pair.current.evaluation
        if before is None or after is None or answers_by_instructions(basis, pair):
            continue
        change, value = paired_change(before, after, definition, ALPHA), basis.before(pair, definition.name)
        if change is None or (change.is_identical and has_same_file(basis, pair)):
            continue
        scale = abs(value.value) if definition.unit != "share" and value is not None and value.value else 1.0
        if needed := samples_needed(change, definition, margin * scale, ALPHA):
            subject = f"{definition.label} of {basis.names[pair.current.case]} within its margin"
            found.append((needed, f"{subject}: {needed_text(change, needed)}"))
    return max(found)[1] if found else None


def _paired_finding(
    basis: Basis, pair: Pair, definition: MetricDefinition, margin: float, found: PairedChange
) -> Finding:
    """Judges a change by its interval: of shares in percentage points, of numbers relative to the baseline's."""
    before = basis.before(pair, definition.name)
    scale = 1.0
    if definition.unit != "share" and before is not None and before.value:
        scale = abs(before.value)
    change, lower, upper = (each / scale for each in (found.change, found.lower, found.upper))
    worsening = (lower, upper) if definition.direction == SMALLER else (-upper, -lower)
    is_same_file = found.is_identical and has_same_file(basis, pair)
    p_value = f"p = {found.p_value:.2g}"
    detail = f"paired t test over {found.samples:,} samples, {p_value}"
    if is_same_file:
        detail = "the same file, and bit-identical outputs"
    elif found.broken is not None:
        detail = f"{found.broken:,} samples broken, {found.fixed:,} fixed; exact McNemar {p_value}"
    return finding_of(
        basis,
        pair,
        definition,
        "same" if is_same_file else verdict_of(*worsening, margin),
        margin=margin,
        change=change,
        kind="points" if definition.unit == "share" else "relative",
        lower=lower,
        upper=upper,
        detail=detail,
    )


def changed_answers(basis: Basis) -> Iterator[Finding]:
    """Cases that answer otherwise than before, whether or not that cost accuracy.

    More changed answers than the margin allows are a regression where both files were made from the same model: then
    the tools changed them, or the machine. Where the model itself is another, accuracy has to vouch for them; without
    that, they are undecided, and a regression where accuracy means nothing because the baseline is near chance.
    """
    is_chance = near_chance(basis.baseline) is not None
    for pair in basis.ok:
        margin = margin_for(basis.question.rules, pair.current, basis.definitions[ANSWERS.name])
        before, after = pair.baseline.evaluation, pair.current.evaluation
        if margin is None or before is None or after is None or answers_by_instructions(basis, pair):
            continue
        alike = alike_samples(before, after)
        if alike is not None and not alike.all():
            yield _changed(basis, pair, margin, int(np.count_nonzero(~alike)), after, is_chance=is_chance)


def alike_samples(before: Evaluation, after: Evaluation) -> NDArray[np.bool_] | None:
    """Samples that both answer alike: the same class, or numbers whose errors agree; None where nothing tells."""
    alike = answered_alike(before, after)
    if alike is not None:
        return alike
    for name, first in before.per_sample.items():
        second = after.per_sample.get(name)
        if second is not None and first.shape == second.shape and "bool" not in (first.dtype, second.dtype):
            one, other = (each.unpack().astype(np.float64).reshape(before.samples, -1) for each in (first, second))
            scale = float(np.abs(one).mean())
            return np.asarray(np.isclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * scale).all(axis=1))
    return None


def differing_unknown(basis: Basis, pair: Pair) -> bool:
    """True where outputs are not bit-identical, and nothing tells whether answers are."""
    before, after = pair.baseline.evaluation, pair.current.evaluation
    if before is None or after is None or basis.differences.accuracy or answers_by_instructions(basis, pair):
        return False
    if before.answers_sha256 == after.answers_sha256:
        return False
    return alike_samples(before, after) is None


def _changed(basis: Basis, pair: Pair, margin: float, changed: int, after: Evaluation, *, is_chance: bool) -> Finding:
    share = changed / after.samples
    is_judged = is_chance or has_same_model(basis, pair)
    verdict: Verdict = "same" if share <= margin else "worse" if is_judged else "inconclusive"
    detail = f"answers {changed:,} of {after.samples:,} samples ({100 * share:.3g}%) differently than the baseline"
    if verdict == "worse" and is_chance:
        detail += ", and the baseline is near chance, so accuracy cannot vouch for them"
    if verdict == "inconclusive":
        detail += ", from another model: whether that is right cannot be judged here"
    return Finding(
        case=pair.current.case,
        metric=ANSWERS.name,
        name=basis.names[pair.current.case],
        label=ANSWERS.label,
        format=ANSWERS.format,
        unit=ANSWERS.unit,
        verdict=verdict,
        word="same" if verdict == "same" else ANSWERS.worse,
        is_regression=verdict == "worse",
        change=share,
        change_kind="points",
        margin=margin,
        detail=detail,
    )


def has_same_file(basis: Basis, pair: Pair) -> bool:
    """True if both reports ran the same bytes."""
    before, after = basis.files(pair)
    return before is not None and after is not None and before.sha256 == after.sha256


def has_same_model(basis: Basis, pair: Pair) -> bool:
    """True if both files were made from the same model."""
    before, after = basis.files(pair)
    return before is not None and after is not None and before.source_sha256 == after.source_sha256


def answers_by_instructions(basis: Basis, pair: Pair) -> bool:
    """True if the same file answers otherwise on a processor with other instruction sets: not the file's doing."""
    if not has_same_file(basis, pair):
        return False
    if not runs_other_instructions(basis.baseline, basis.current):
        return False
    one, other = pair.baseline.evaluation, pair.current.evaluation
    return one is not None and other is not None and one.answers_sha256 != other.answers_sha256
