"""What came out of mutants, by kind: counts, and each fault once, with a mutant that shows it."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HANG_S = 10.0
_PLACE = re.compile(r'File "[^"]*/(?:crossrt|tests)/([^"]+)", line (\d+)')


class HangError(Exception):
    """A mutant took longer than anybody waits."""


@dataclass
class Outcomes:
    """Counts by kind of file and outcome.

    Attributes:
        counts: `mutants`, `refused`, `taken`, `tracebacks`, `hangs`, `crashes` (of a process made for that) by kind.
        faults: Where a fault of ours is, and the first mutant that shows it.
        folder: Where such mutants are kept, or None.
    """

    folder: Path | None = None
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    slowest_s: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, outcome: str) -> None:
        """Counts an outcome."""
        self.counts.setdefault(kind, Counter())[outcome] += 1

    def fault(self, kind: str, outcome: str, content: bytes, said: str) -> None:
        """Counts a fault, and keeps its first mutant."""
        self.add(kind, outcome)
        found = _PLACE.findall(said)
        last = said.strip().splitlines()[-1][:160] if said.strip() else ""
        place = f"{kind} {outcome} {':'.join(found[-1]) if found else ''} {last}"
        if place not in self.faults:
            self.faults[place] = said[-1500:]
            if self.folder is not None:
                (self.folder / f"{kind}-{len(self.faults)}.mutant").write_bytes(content)

    def note(self, kind: str, took_s: float) -> None:
        """Keeps the longest time that a mutant took."""
        self.slowest_s[kind] = max(took_s, self.slowest_s.get(kind, 0.0))

    @property
    def is_clean(self) -> bool:
        """True without traceback and hang."""
        return not self.faults

    def table(self) -> str:
        """The figures as Markdown."""
        columns = ("mutants", "taken", "refused", "crashes", "tracebacks", "hangs")
        lines = ["| kind | " + " | ".join(columns) + " | slowest, CPU |", "|---|" + "---:|" * (len(columns) + 1)]
        total: Counter[str] = Counter()
        for kind, counts in self.counts.items():
            total += counts
            slowest = f"{self.slowest_s.get(kind, 0):.1f} s"
            lines.append(f"| {kind} | {' | '.join(f'{counts[each]:,}' for each in columns)} | {slowest} |")
        slowest = f"{max(self.slowest_s.values(), default=0):.1f} s"
        lines.append(f"| all | {' | '.join(f'{total[each]:,}' for each in columns)} | {slowest} |")
        return "\n".join(lines)


@contextmanager
def in_time(outcomes: Outcomes, kind: str) -> Iterator[None]:
    """Raises `HangError` after `HANG_S` of processor time, whatever else runs here, and notes how long it took."""

    def hang(*_: object) -> None:
        raise HangError

    before = signal.signal(signal.SIGPROF, hang)
    restart_clock()
    start = time.process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        outcomes.note(kind, time.process_time() - start)


def restart_clock() -> None:
    """Gives another `HANG_S`, as for the next command on the same file."""
    signal.setitimer(signal.ITIMER_PROF, HANG_S)
