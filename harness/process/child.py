"""A child process that takes one JSON request per line and gives one JSON answer per line.

Deadlines belong to the parent: a Python signal handler does not run while native code loops. The child leads a process
group of its own, so a keyboard interrupt reaches the parent alone and a kill reaches everything the child started.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

from crossrt.harness.errors import ChildFailedError, NoAnswerError
from crossrt.harness.process.scratch import temporary_variables

STDERR_TAIL_BYTES = 4_000
_CLOSE_GRACE_S = 2.0
_CHUNK = 1 << 16
LONGEST_ANSWER = 64 * 2**20

_live: set[ChildProcess] = set()


def kill_all_children() -> None:
    """Kills every child that is still alive; whoever waits for one gets `ChildFailedError`."""
    for child in list(_live):
        child.kill()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


class Process(Protocol):
    """What a child process must offer: a part of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Its id."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where requests go."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """Where answers come from."""

    def poll(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended; raises `subprocess.TimeoutExpired`."""


class ChildProcess:
    """Runs `python -P -m MODULE`; `-P` keeps packages of the user's own folder out of it."""

    def __init__(self, module: str, *, variables: Mapping[str, str] | None = None, python: Path | None = None) -> None:
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        process = subprocess.Popen(
            [python or sys.executable, "-P", "-X", "faulthandler", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **temporary_variables(), **(variables or {})},
            start_new_session=True,
            bufsize=0,
        )
        self._drive(process, stderr)

    def _drive(self, process: Process, stderr: IO[bytes]) -> None:
        """Takes over a process that leads its group, and the file that it writes standard error to."""
        self._process, self._stderr = process, stderr
        self._received = b""
        _live.add(self)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """True if the child is gone."""
        return self._process.poll() is not None

    def send(self, request: Mapping[str, Any]) -> None:
        """Sends one request. A child that is gone shows at the next `receive`."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """The next answer.

        Raises:
            ChildFailedError: The child died, wrote something else, or did not answer in time. It is killed.
        """
        line = self._read_line(time.monotonic() + timeout_s)
        if line is None:
            self.kill()
            raise NoAnswerError(f"no answer within {timeout_s:g} s: killed", self._stderr_tail())
        if not line:
            raise self.failure(self._describe_end())
        try:
            answer = json.loads(line)
        except ValueError:
            self.kill()
            raise self.failure(f"wrote something that is not an answer: {line[:80]!r}") from None
        if not isinstance(answer, dict):
            self.kill()
            raise self.failure(f"wrote something that is not an answer: {line[:80]!r}")
        return answer

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Sends a request and waits for its answer; raises `ChildFailedError` like `receive`."""
        self.send(request)
        return self.receive(timeout_s)

    def failure(self, reason: str) -> ChildFailedError:
        """A failure with this reason and what the child wrote to standard error."""
        return ChildFailedError(reason, self._stderr_tail())

    def kill(self) -> None:
        """Kills the child and everything in its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Ends the child: it leaves when its input ends, and is killed where it does not. May be called twice."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSE_GRACE_S)
        self.kill()
        self._stderr.close()
        _live.discard(self)

    def _read_line(self, deadline: float) -> bytes | None:
        """One line without its end, empty at the end of the pipe, None after the deadline."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return None
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                return b""
            self._received += chunk
            if len(self._received) > LONGEST_ANSWER:
                return self._received
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _describe_end(self) -> str:
        try:
            status = self._process.wait(_CLOSE_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return "closed its pipe and went on: killed"
        if status >= 0:
            return f"the process ended with exit status {status}"
        name = _signal_name(-status)
        hint = {
            "SIGKILL": ", perhaps by the system for lack of memory",
            "SIGABRT": ", an abort in native code",
            "SIGSEGV": ", a crash in native code",
        }.get(name, "")
        out_of_memory = "; it had reached its memory limit" if "bad_alloc" in self._stderr_tail() else ""
        return f"the process was ended by {name}{hint}{out_of_memory}"

    def _stderr_tail(self) -> str:
        if self._stderr.closed:
            return ""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - STDERR_TAIL_BYTES))
        return self._stderr.read().decode(errors="replace").strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.kill()
        self.close()
