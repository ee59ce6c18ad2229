"""What a bisection is asked for, and what must be the same for a later one to go on with it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, get_args

import msgspec

from crossrt.analysis.bisection.record import Subject
from crossrt.core.processor import cpu_model, instruction_sets
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import BenchSettings, DuelSettings
from crossrt.runtimes.registry import runtime_names, unknown_runtime
from crossrt.runtimes.selector import RuntimeSelector
from crossrt.runtimes.versions.numbers import check_version, version_key
from crossrt.runtimes.versions.packages import packages_of

_CHUNK: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectRequest:
    """What a bisection is asked for.

    Attributes:
        case: A file, or a variant of the model of `run`.
        runtime: The runtime, with its options and without a version.
        good: The version at one end.
        bad: The version at the other.
        by: What has changed, or None to find out.
        margin: Times that differ by a smaller share count as the same at the ends.
        tolerance: Outputs that differ by a smaller share count as the same.
        budget_s: How long each comparison may measure; three times as long where it stays open.
        run: What it shares with a bench.
        out: The folder for folders of bisections.
        is_fresh: Whether what an earlier one found is left aside.
    """

    case: str
    runtime: RuntimeSelector
    good: str
    bad: str
    by: Subject | None
    margin: float
    tolerance: float
    budget_s: float
    run: BenchSettings
    out: Path
    is_fresh: bool = False

    def __post_init__(self) -> None:
        """Raises `CrossrtError` for versions that are none, or are the same."""
        if self.by not in (None, *get_args(Subject)):
            raise HarnessError(f"--by must be one of {', '.join(get_args(Subject))}; found {self.by!r}")
        if self.runtime.version is not None:
            raise HarnessError(f"--runtime is {self.runtime.text}: leave its version to --good and --bad")
        if self.runtime.name not in runtime_names():
            raise HarnessError(unknown_runtime(self.runtime.name, runtime_names()))
        packages_of(self.runtime.name)
        for version in (self.good, self.bad):
            check_version(version)
        if version_key(self.good) == version_key(self.bad):
            raise HarnessError(f"--good and --bad are the same version, {self.good}: name two")

    def at(self, version: str) -> str:
        """The case on a version, as an A/B comparison names a side."""
        return f"{self.case}@{replace(self.runtime, version=version).text}"

    def duel(self, a: str, b: str, margin: float, budget_s: float) -> DuelSettings:
        """An A/B comparison of two versions, in which wrong answers are no reason to stop."""
        run = replace(self.run, minimum_agreement=0.0)
        return DuelSettings(run=run, a=self.at(a), b=self.at(b), margin=margin, budget_s=budget_s)

    @property
    def identity(self) -> str:
        """A hash of the model, the data, the settings and this machine's processor."""
        subject = self.run.subject
        data = [each for each in (subject.data, subject.calibration) if each is not None]
        shaped_by = [
            [self.case, self.runtime.text, version_key(self.good), version_key(self.bad), self.by],
            [self.margin, self.tolerance, self.budget_s, self.run.threads, self.run.batch_sizes, self.run.io],
            [subject.task, subject.samples, sorted(subject.dimensions.items()), self.run.seed],
            [asdict(each) for each in data],
            [_file_hash(Path(str(each))) for each in (self.case, *subject.models, *(one.reference for one in data))],
            [cpu_model(), instruction_sets()],
        ]
        return hashlib.sha256(msgspec.json.encode(shaped_by, enc_hook=str)).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """Where this bisection is saved."""
        return self.out / f"bisection-{self.runtime.name}-{self.good}-{self.bad}-{self.identity}"


def _file_hash(path: Path) -> str | None:
    """The hash of a file; None for what is none."""
    if not path.is_file():
        return None
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
