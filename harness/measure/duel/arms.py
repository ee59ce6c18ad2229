"""The two sides of an A/B comparison, from what the user typed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossrt.core.artifact import ModelFormat
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.case import Case, Scenario
from crossrt.harness.measure.plan import Candidate, case_for
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.affinity import check_threads
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.runtimes.protocol import IoMode

_SIDE: Final = re.compile(
    r"(?P<case>.+?)(?:/b(?P<batch>[1-9][0-9]{0,5}))?(?:/t(?P<threads>[1-9][0-9]{0,3}))?(?P<native>/native)?",
    re.DOTALL,
)
_CASE: Final = re.compile(r"(?P<name>.+)@(?P<runtime>[^@/]+)", re.DOTALL)
"""Split at the last @: the path of a file may hold others."""
_WRITTEN: Final = "VARIANT@RUNTIME[/bN][/tN][/native], such as fp32@tflite/t2, or FILE[@RUNTIME][/bN][/tN][/native]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A side as it was typed.

    Attributes:
        text: All of it.
        name: A variant, with the model in front where that is needed, or a file.
        path: The file that `name` names, or None.
        runtime: The runtime as it was named, or None for the first that reads the file.
        batch_size: Samples per call, or None.
        threads: Threads per operator, or None.
        is_native: Whether the file's own tensor types are fed.
    """

    text: str
    name: str
    path: Path | None
    runtime: str | None
    batch_size: int | None
    threads: int | None
    is_native: bool


def parse_side(text: str) -> Side:
    """A side from its text; raises `HarnessError` where it is not written like one, or asks for too many threads.

    A text that is an existing file, whatever characters its path holds, means that file.
    """
    match = None if _is_file(text) else _SIDE.fullmatch(text)
    case, batch, threads, native = match.group("case", "batch", "threads", "native") if match else (text, *3 * (None,))
    check_threads(int(threads or 1))
    name, runtime = _name_and_runtime(case, text)
    return Side(
        text=text,
        name=name,
        path=Path(name) if _is_file(name) else None,
        runtime=runtime,
        batch_size=int(batch) if batch else None,
        threads=int(threads) if threads else None,
        is_native=native is not None,
    )


def _name_and_runtime(case: str, text: str) -> tuple[str, str | None]:
    if _is_file(case):
        return case, None
    if case and "@" not in case:
        raise HarnessError(f"{text!r} is neither a file nor written like a case: {_WRITTEN}")
    if (match := _CASE.fullmatch(case)) is None:
        raise HarnessError(f"{text!r} is not written like a side of an A/B comparison: {_WRITTEN}")
    return match["name"], match["runtime"]


def _is_file(name: str) -> bool:
    path = Path(name)
    return name != "" and path.exists() and (path.suffix != "" or path.is_dir())


def case_of(
    side: Side,
    candidates: Sequence[Candidate],
    paths: Mapping[str, Path],
    runtimes: Sequence[RuntimeInfo],
    settings: BenchSettings,
) -> Case:
    """The case that a side names.

    Args:
        side: The side.
        candidates: The files that there are or could be.
        paths: Paths of those that are run as they are, by id.
        runtimes: What runs here.
        settings: Batch size, threads and I/O mode where the side names none.

    Raises:
        HarnessError: There is no such case, or several.
    """
    found = [
        case_for(candidate, runtime, _scenario(side, settings), candidates)
        for candidate in candidates
        for runtime in runtimes
        if candidate.format in runtime.formats
        and side.runtime in (None, runtime.name, *runtime.spellings)
        and is_named(side, candidate, paths)
    ]
    if side.path is None and len(found) > 1:
        names = ", ".join(f"{case.label}@{case.runtime}" for case in found)
        raise HarnessError(f"{side.text!r} names {len(found)} files: name one of {names}")
    if found:
        return found[0]
    known = [f"{each.variant}@{run.name}" for run in runtimes for each in candidates if each.format in run.formats]
    raise HarnessError(f"there is no case {side.text!r}; available: {', '.join(known) or 'none'}")


def is_named(side: Side, candidate: Candidate, paths: Mapping[str, Path]) -> bool:
    """Whether a side means a file, `paths` being those of files by id."""
    if side.path is not None:
        return candidate.id in paths and paths[candidate.id] == side.path
    return side.name in (candidate.variant, f"{candidate.model}.{candidate.variant}", candidate.id) or (
        side.name == _item(candidate.variant, candidate.format)
    )


def _item(variant: str, model_format: ModelFormat) -> str:
    return f"{variant}.{model_format}"


def _scenario(side: Side, settings: BenchSettings) -> Scenario:
    io: IoMode = "native" if side.is_native else settings.io
    return Scenario(
        batch_size=side.batch_size or settings.batch_sizes[0], threads=side.threads or settings.threads, io=io
    )


def check_alike(a: Case, b: Case) -> None:
    """Raises `HarnessError` where a ratio of times would compare different amounts of work."""
    if a.scenario.batch_size != b.scenario.batch_size:
        raise HarnessError(
            f"A asks for {a.scenario.batch_size} samples a call and B for {b.scenario.batch_size}:"
            " a ratio of their times says nothing; name one batch size"
        )
