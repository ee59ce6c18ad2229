"""What a worker can be asked, one record each. Imported by the worker: needs the standard library and numpy only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from crossrt.core.artifact import ModelArtifact, artifact_from_fields
from crossrt.runtimes.protocol import SessionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """Where an input of the model is read from.

    Attributes:
        name: Name of the input.
        path: An `.npy` file: samples along axis 0, or one array that all samples share.
        axis: Along which axis the model takes samples; None where it takes one sample as it is.
        is_shared: Whether all samples share one value: the whole array, or that of the first sample.
        takes_first: Whether that is the value of the first sample; all others are equal to it.
    """

    name: str
    path: str
    axis: int | None
    is_shared: bool = False
    takes_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRuntime:
    """Import a runtime, so that its import is part of no figure."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Run on these processors only."""

    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReferenceWorkload:
    """Make the reference workload ready in place of a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Load a model; loading it again makes another session, elsewhere in memory."""

    artifact: ModelArtifact
    options: SessionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Make ready a few batches to be timed, drawn by seed from the samples in files."""

    inputs: tuple[InputFile, ...]
    batch_size: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstInference:
    """Time the first call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBlock:
    """Warm up for a while, then time single calls of one of the sessions."""

    calls: int
    warmup_ns: int
    session: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeQueries:
    """Answer queries that arrive at random: see `loops.serve_queries`; `percentile` says which latency is told."""

    rate_per_s: float
    bound_ns: int
    looks: tuple[tuple[int, int, int], ...]
    most_ns: int
    percentile: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unload:
    """Close all sessions, so that the next model is the only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellTime:
    """Tell the time, on the clock that all processes share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """Answer all samples in files, in order, and leave each output in `<folder>/<number>.npy`."""

    inputs: tuple[InputFile, ...]
    samples: int
    batch_size: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOperators:
    """Name the operators that the runtime executes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCalls:
    """Profile some calls."""

    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPeakMemory:
    """Read the high-water mark."""


Request = (
    ImportRuntime
    | Pin
    | LoadReferenceWorkload
    | Load
    | Feed
    | FirstInference
    | TimeBlock
    | ServeQueries
    | Unload
    | TellTime
    | Evaluate
    | ReadOperators
    | ProfileCalls
    | ReadPeakMemory
)

_KINDS: Final[Mapping[str, type[Request]]] = {kind.__name__: kind for kind in Request.__args__}


def encoded(request: Request) -> dict[str, Any]:
    """A request as a JSON object."""
    fields = dataclasses.asdict(request)
    if isinstance(request, Load):
        fields["artifact"]["path"] = str(request.artifact.path)
    return {"do": type(request).__name__, **fields}


def decoded(fields: Mapping[str, Any]) -> Request:
    """The request that `encoded` made a JSON object of."""
    values = dict(fields)
    kind = _KINDS[values.pop("do")]
    if kind is Load:
        return Load(artifact=artifact_from_fields(values["artifact"]), options=SessionOptions(**values["options"]))
    if kind is ServeQueries:
        values["looks"] = tuple(tuple(each) for each in values["looks"])
    if "inputs" in values:
        values["inputs"] = tuple(InputFile(**each) for each in values["inputs"])
    return kind(**values)
