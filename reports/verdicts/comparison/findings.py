"""What a comparison says: one finding per judged metric of a case, and one per case that came or went."""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

from crossrt.core.metric import NumberFormat
from crossrt.reports.statistics.definitions import QUIET

Verdict = Literal["worse", "better", "same", "inconclusive"]
ChangeKind = Literal["relative", "points", "difference"]
Outcome = Literal["fine", "worse", "inconclusive", "incomparable"]


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One judgement.

    Attributes:
        case: The case, by its id in the current report where it has one.
        metric: The metric, or `status` for a case that vanished, failed or works again, or `answers`.
        verdict: To the worse or better by more than the margin, not worse than it allows, or undecided.
        word: The verdict in the metric's own word, such as `slower`.
        is_regression: Whether it fails the comparison.
        name: Short name of the case.
        label: The metric in words, without the unit.
        format: How its values are written.
        baseline: Value in the baseline, in `unit`.
        current: Value in the current report.
        unit: Unit of both.
        change: Current over baseline minus 1, or the difference; to the worse or better as the metric goes.
        change_kind: `relative`, or a difference: in percentage points for shares, else in `unit`.
        lower: Lower end of the change's interval, where it has one.
        upper: Upper end.
        margin: What was allowed, like the change.
        detail: How it was judged, or what happened, in words.
    """

    case: str
    metric: str
    verdict: Verdict
    word: str
    is_regression: bool
    name: str = ""
    label: str = ""
    format: NumberFormat = "significant"
    baseline: float | None = None
    current: float | None = None
    unit: str | None = None
    change: float | None = None
    change_kind: ChangeKind = "relative"
    lower: float | None = None
    upper: float | None = None
    margin: float | None = None
    detail: str | None = None

    @property
    def says_nothing(self) -> bool:
        """True of a time whose interval holds both a change to the better and one to the worse beyond the margin."""
        if self.verdict != "inconclusive" or self.unit != "ns":
            return False
        if self.lower is None or self.upper is None:
            return True
        margin = self.margin or 0.0
        return self.lower < -margin / (1 + margin) and self.upper > margin

    @property
    def severity(self) -> tuple[int, float]:
        """Sorts the worst first: regressions by how many times their margin, then what is undecided."""
        rank = {"worse": 0, "inconclusive": 1, "better": 2, "same": 3}[self.verdict]
        if self.change is None:
            return rank, -math.inf
        return rank, -abs(self.change) / max(self.margin or 0.0, 1e-9)


class Comparison(Struct, frozen=True, kw_only=True):
    """Two reports compared.

    Attributes:
        schema_version: Of this record.
        baseline: Run id of the baseline.
        current: Run id of the current report.
        subjects: What the two are, in words: run, time, runtimes.
        findings: Worst first.
        cautions: What speaks against believing the comparison.
        notes: What a reader must know beside the findings.
        method: How times were judged, for readers who want to know.
        incomparable: Why something was not judged: the fields that differ.
    """

    schema_version: Literal[2] = 2
    baseline: str
    current: str
    subjects: tuple[str, str]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    method: tuple[str, ...]
    incomparable: tuple[str, ...]
    cautions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """One line."""
        found, worse = len(self.findings), len(self.regressions)
        said = f"{found} finding{'s' * (found != 1)}, {worse} regression{'s' * (worse != 1)}"
        return f"<Comparison of {self.current} with {self.baseline}: {said}, exit code {self.exit_code}>"

    @property
    def regressions(self) -> tuple[Finding, ...]:
        """The findings that fail the comparison."""
        return tuple(finding for finding in self.findings if finding.is_regression)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 regression, 3 nothing comparable."""
        if not self.findings:
            return 3
        return int(bool(self.regressions))

    @property
    def outcome(self) -> Outcome:
        """The comparison in one word: only what could be judged is fine.

        `incomparable` is said of two reports of which something, such as all times, was not judged, and `inconclusive`
        where the median latency of any case could not be decided, or no time at all.
        """
        if self.regressions:
            return "worse"
        if self.incomparable or not self.findings:
            return "incomparable"
        times = [finding for finding in self.findings if finding.unit == "ns"]
        undecided = [finding for finding in times if finding.verdict == "inconclusive"]
        is_open = any(finding.metric == QUIET for finding in undecided) or (times and undecided == times)
        return "inconclusive" if is_open else "fine"
