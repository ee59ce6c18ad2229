"""How a building process talks to whoever started it: one JSON job in, one JSON event per line out."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import IO, Any, TextIO, TypeVar

from crossrt.core.errors import CrossrtError
from crossrt.core.memory import out_of_memory
from crossrt.core.parent import die_with_parent, leave_copy_of

Job = TypeVar("Job")


class EventStream:
    """Writes events to the pipe that was this process's standard output."""

    def __init__(self, pipe: IO[str]) -> None:
        self._pipe, self._owner = pipe, os.getpid()

    @classmethod
    def take_stdout(cls) -> EventStream:
        """Keeps standard output for events; whatever libraries print goes to standard error from now on.

        From here on this process also ends with the one that started it.
        """
        die_with_parent()
        pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        return cls(pipe)

    def send(self, event: str, **fields: Any) -> None:
        """Sends one event at once; a copy of this process that code forked has nothing to say, and ends."""
        leave_copy_of(self._owner)
        self._pipe.write(json.dumps({"event": event, **fields}) + "\n")
        self._pipe.flush()

    def guard(self, work: Callable[[], None]) -> int:
        """Runs `work`; a failure becomes a `failed` event with its reason. Returns the exit status."""
        try:
            work()
        except Exception as error:
            self.send("failed", reason=reason_of(error))
            return 1
        self.send("finished")
        return 0


def reason_of(error: Exception) -> str:
    """One line for the user; the traceback of anything unforeseen goes to standard error."""
    if (said := out_of_memory(error)) is not None:
        return said
    if isinstance(error, CrossrtError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or 'while a file was written'}"
    traceback.print_exception(error, file=sys.stderr)
    return f"{type(error).__name__}: {error}"


def read_job(stream: TextIO, kind: Callable[..., Job]) -> Job:
    """The job that the starting process wrote as one JSON object."""
    return kind(**json.loads(stream.readline()))
