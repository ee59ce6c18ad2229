"""What a bisection found so far, as it is saved after every step."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

SCHEMA_VERSION: Final = 1
REPORT = "bisection.json"

Subject = Literal["time", "answers"]
StepVerdict = Literal["like good", "like bad", "inconclusive", "failed"]
BisectionStatus = Literal["searching", "interrupted", "found", "narrowed", "no difference"]


class Step(Struct, frozen=True, kw_only=True):
    """One version beside another, in the same rounds of fresh processes.

    Attributes:
        version: The version that is judged.
        against: What it is compared with.
        verdict: On which side of the change it is.
        reason: Why it failed or stays open, or what else a reader must know.
        ratio: Its time over that of the other one; absent where times were not measured.
        lower: Lower end of the 99% interval of the ratio.
        upper: Upper end.
        time_ns: Median of its calls.
        against_ns: The same of the other one.
        rounds: Rounds of fresh processes that the ratio rests on.
        agreement: Share of samples that both answer alike, for tasks with classes.
        relative: Largest of `||x - x'|| / ||x||` over outputs, x being those of `against`.
    """

    version: str
    against: str
    verdict: StepVerdict
    reason: str | None = None
    ratio: float | None = None
    lower: float | None = None
    upper: float | None = None
    time_ns: float | None = None
    against_ns: float | None = None
    rounds: int = 0
    agreement: float | None = None
    relative: float | None = None


class KernelChange(Struct, frozen=True, kw_only=True):
    """Kernels of one place of the graph on both sides of the change; times are of one call, under a profiler.

    Attributes:
        before: What the version before the change runs there: operators, with who runs them where that is another.
        after: What the version after it runs there; nothing where a kernel came or went.
        name: The node.
        before_ns: Their time before; absent where the runtime does not tell.
        after_ns: Their time after.
    """

    before: str
    after: str
    name: str
    before_ns: float | None = None
    after_ns: float | None = None

    @property
    def is_other(self) -> bool:
        """True if other kernels run there now."""
        return self.before != self.after

    @property
    def change_ns(self) -> float:
        """By how much the time of a call changed there; 0 where that is not known."""
        if self.before_ns is None or self.after_ns is None:
            return 0.0
        return self.after_ns - self.before_ns


class Kernels(Struct, frozen=True, kw_only=True):
    """Kernels on both sides of the change, those that changed most first.

    Attributes:
        changes: Each place of the graph.
        change_ns: By how much longer a call takes, without a profiler; absent where that was not measured.
        call_ns: How long one takes after the change, without a profiler.
        problem: Why nothing is known.
    """

    changes: tuple[KernelChange, ...] = ()
    change_ns: float | None = None
    call_ns: float | None = None
    problem: str | None = None


class BisectionReport(Struct, frozen=True, kw_only=True):
    """A bisection; what is known follows from its steps.

    Attributes:
        identity: Hash of all that must be the same for a later run to go on with it.
        case: What is run: a file or a variant.
        runtime: The runtime, with its options.
        package: What its versions are installed from.
        good: The version at the good end.
        bad: The version at the bad end.
        by: What changed: the time of a call, or the answers; None while that is not known.
        margin: Times that differ by a smaller share count as the same at the ends.
        tolerance: Outputs that differ by a smaller share count as the same.
        ends: The two ends beside each other.
        releases: All releases from good to bad.
        steps: The others, in the order in which they were tried.
        neighbours: Each version from the last good one to the first bad one beside the one before it, where these are
            not the ends.
        last_good: The last version that is like the good end.
        first_bad: The first one that is like the bad end.
        kernels: What runs on both sides of the change.
        notes: What a reader must know.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["bisection"] = "bisection"
    identity: str
    crossrt_version: str
    started_at: str
    case: str
    runtime: str
    package: str
    good: str
    bad: str
    margin: float
    tolerance: float
    status: BisectionStatus = "searching"
    by: Subject | None = None
    ends: Step | None = None
    releases: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    neighbours: tuple[Step, ...] = ()
    last_good: str | None = None
    first_bad: str | None = None
    kernels: Kernels | None = None
    notes: tuple[str, ...] = ()
