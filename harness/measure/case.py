"""A case: one artifact on one runtime in one scenario."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crossrt.core.artifact import ModelFormat
from crossrt.harness.process.pythons.foreign import ForeignPython
from crossrt.reports.text.patterns import matches
from crossrt.runtimes.protocol import IoMode, SessionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How a model is asked: batch size, threads, and whose tensor types."""

    batch_size: int
    threads: int
    io: IoMode = "float32"

    def session_options(self, dimensions: Mapping[str, int]) -> SessionOptions:
        """The scenario in the runtimes' words, for a model with these sizes of dynamic dimensions."""
        return SessionOptions(
            batch_size=self.batch_size, intra_op_threads=self.threads, io=self.io, dimensions=dict(dimensions)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`<model>.<variant>@<runtime>/b<batch>/t<threads>`, with `/native` for native I/O.

    Attributes:
        model: Name of the model.
        variant: Name of the variant.
        format: Format of the file.
        runtime: The runtime's selector: its name, the version that was asked for, the options that it was
            given.
        scenario: How it is asked.
        names_format: Whether the id says the format: where a runtime reads a variant in two formats.
        options: The runtime's options and their values.
        is_timed: False where only answers are asked for.
        python: Another Python that runs its workers, or None for this one.
    """

    model: str
    variant: str
    format: ModelFormat
    runtime: str
    scenario: Scenario
    names_format: bool = False
    options: tuple[tuple[str, str], ...] = ()
    is_timed: bool = True
    python: ForeignPython | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """The variant as cases name it."""
        return f"{self.variant}.{self.format}" if self.names_format else self.variant

    @property
    def subject(self) -> str:
        """The id without the scenario: what a baseline names."""
        return f"{self.model}.{self.label}@{self.runtime}"

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
        return matches(pattern, self.id, self.subject, f"{self.label}@{self.runtime}", self.label)


def select(cases: Iterable[Case], patterns: Sequence[str]) -> list[Case]:
    """The cases that any of the patterns selects; all of them where there is no pattern."""
    return [case for case in cases if not patterns or any(case.matches(pattern) for pattern in patterns)]
