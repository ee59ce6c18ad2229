"""A case: one artifact on one runtime in one scenario."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crossrt.core.artifact import ModelFormat
from crossrt.reports.text.patterns import case_matches
from crossrt.runtimes.protocol import IoMode, SessionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How a model is asked: batch size, threads, and whose tensor types."""

    batch_size: int
    threads: int
    io: IoMode = "float32"

    @property
    def session_options(self) -> SessionOptions:
        """The scenario in the runtimes' words."""
        return SessionOptions(batch_size=self.batch_size, intra_op_threads=self.threads, io=self.io)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`<model>.<variant>@<runtime>/b<batch>/t<threads>`, with `/native` for native I/O."""

    model: str
    variant: str
    format: ModelFormat
    runtime: str
    scenario: Scenario

    @property
    def subject(self) -> str:
        """The id without the scenario: what a baseline names."""
        return f"{self.model}.{self.variant}@{self.runtime}"

    @property
    def id(self) -> str:
        """The id in reports."""
        suffix = "" if self.scenario.io == "float32" else f"/{self.scenario.io}"
        return f"{self.subject}/b{self.scenario.batch_size}/t{self.scenario.threads}{suffix}"

    @property
    def artifact_id(self) -> str:
        """The id of the artifact that it runs."""
        return f"{self.model}.{self.variant}.{self.format}"

    def matches(self, pattern: str) -> bool:
        """True if an `--only` pattern selects this case."""
        return case_matches(pattern, self.id)


def select(cases: Iterable[Case], patterns: Sequence[str]) -> list[Case]:
    """The cases that any of the patterns selects; all of them where there is no pattern."""
    return [case for case in cases if not patterns or any(case.matches(pattern) for pattern in patterns)]
