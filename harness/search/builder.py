"""The process that builds candidates, from this side."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from crossrt.analysis.search.record import Built, Opened, SearchJob
from crossrt.core.memory import BUILDING_BYTES, memory_limit
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxRecipe
from crossrt.harness.errors import ChildFailedError, NoAnswerError, OutOfTimeError
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.packages import QUIET

MODULE = "crossrt.analysis.search.host"


class NotBuiltError(Exception):
    """A candidate cannot be built or run; the message is the reason."""


class Builder:
    """Builds candidates, one at a time; a process that crashes or hangs on one is started again for the next."""

    def __init__(self, job: SearchJob, timeout_s: float) -> None:
        self._job, self._timeout_s = job, timeout_s
        self._process: ChildProcess | None = None

    def open(self, timeout_s: float) -> Opened:
        """Starts the process, which prepares the model and answers in float.

        Raises:
            ExportError: The model or the data cannot be used.
            OutOfTimeError: It takes too long.
        """
        limit = memory_limit([Path(self._job.float_path)], BUILDING_BYTES)
        self._process = ChildProcess(MODULE, variables={**QUIET, "TMPDIR": self._job.folder}, memory_limit_bytes=limit)
        try:
            event = self._process.ask(dataclasses.asdict(self._job), timeout_s)
        except NoAnswerError as failure:
            raise OutOfTimeError(
                f"preparing {self._job.model} took longer than {timeout_s:.0f} s, its part of --time: give more --time"
            ) from failure
        except ChildFailedError as failure:
            raise ExportError(f"preparing {self._job.model}: {failure.reason}") from failure
        if event["event"] != "opened":
            raise ExportError(str(event["reason"]))
        return msgspec.convert(event["opened"], Opened)

    def build(self, name: str, recipe: OnnxRecipe, *, keeps: bool) -> Built:
        """One candidate; raises `NotBuiltError` where it cannot be built or run."""
        if self._process is None:
            self.open(self._timeout_s)
        assert self._process is not None
        request: dict[str, Any] = {"name": name, "recipe": msgspec.to_builtins(recipe), "keeps": keeps}
        try:
            event = self._process.ask(request, self._timeout_s)
        except ChildFailedError as failure:
            self.close()
            raise NotBuiltError(failure.reason) from failure
        if event["event"] != "built":
            raise NotBuiltError(str(event["reason"]))
        return msgspec.convert(event["built"], Built)

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.close()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
