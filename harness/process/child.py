"""A child process that takes one JSON request per line and gives one JSON answer per line.

Deadlines belong to the parent: a Python signal handler does not run while native code loops. The child leads a process
group of its own, so a keyboard interrupt reaches the parent alone and a kill reaches everything the child started.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

from crossrt.core.memory import MEMORY_VARIABLE, limit_memory
from crossrt.harness.errors import ChildFailedError, NoAnswerError
from crossrt.harness.process.scratch import temporary_variables

STDERR_TAIL_BYTES = 4_000
MOST_STDERR_BYTES = 4 * 2**20
"""What a child that prints without end may leave on disk between two looks; only the tail is ever shown."""

_LOG = logging.getLogger("crossrt.processes")
_CLOSE_GRACE_S = 2.0
_CHUNK = 1 << 16
_LOOK_EVERY_S = 0.5
LONGEST_ANSWER = 64 * 2**20

_live: set[ChildProcess] = set()


def kill_all_children() -> None:
    """Kills every child that is still alive; whoever waits for one gets `ChildFailedError`."""
    for child in list(_live):
        child.kill()


def stderr_file() -> IO[bytes]:
    """A nameless file that a child prints to; it is written at its end, so that it can be cut meanwhile."""
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by whoever drives the child
    fcntl.fcntl(file.fileno(), fcntl.F_SETFL, fcntl.fcntl(file.fileno(), fcntl.F_GETFL) | os.O_APPEND)
    return file


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

    _memory_limit_bytes: int | None = None

    def __init__(
        self,
        module: str,
        *,
        variables: Mapping[str, str] | None = None,
        python: Path | None = None,
        memory_limit_bytes: int | None = None,
        launcher: Sequence[str] = (),
    ) -> None:
        """`launcher` is a command that runs the child in its turn, such as an emulator."""
        stderr = stderr_file()
        process = subprocess.Popen(
            [*launcher, python or sys.executable, "-P", "-X", "faulthandler", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **temporary_variables(), **(variables or {})},
            start_new_session=True,
            bufsize=0,
        )
        self._drive(process, stderr)
        _LOG.debug("process %d runs %s", process.pid, module)
        if memory_limit_bytes is not None:
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                limit_memory(process.pid, memory_limit_bytes)
        self._memory_limit_bytes = memory_limit_bytes

    def _drive(self, process: Process, stderr: IO[bytes]) -> None:
        """Takes over a process that leads its group, and the file that it writes standard error to."""
        self._process, self._stderr = process, stderr
        self._received = bytearray()
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
        _LOG.debug("process %d has ended, exit status %s", self._process.pid, self._process.poll())
        self._stderr.close()
        _live.discard(self)

    def _read_line(self, deadline: float) -> bytes | None:
        """One line without its end, empty at the end of the pipe, None after the deadline."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        self.cut_stderr()
        seen = 0
        while (end := self._received.find(b"\n", seen)) < 0:
            seen = len(self._received)
            if not self._is_readable(descriptor, deadline):
                return None
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                return b""
            self._received += chunk
            if len(self._received) > LONGEST_ANSWER:
                return bytes(self._received)
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    @staticmethod
    def _is_readable(descriptor: int, deadline: float) -> bool:
        """Waits until there is something to read; False after the deadline. Sees to what children print meanwhile."""
        poll = select.poll()  # select() knows no descriptor above 1,023
        poll.register(descriptor, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(1000 * min(left, _LOOK_EVERY_S)):
                return True
            for child in list(_live):
                child.cut_stderr()
        return False

    def cut_stderr(self) -> None:
        """Drops all but the tail of what the child printed, if that is much."""
        with contextlib.suppress(OSError, ValueError):  # closed meanwhile
            if os.fstat(self._stderr.fileno()).st_size > MOST_STDERR_BYTES:
                tail = self._stderr_bytes()
                os.ftruncate(self._stderr.fileno(), 0)
                os.write(self._stderr.fileno(), tail)

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
        if out_of_memory and self._memory_limit_bytes is not None:
            out_of_memory += f" of {self._memory_limit_bytes // 2**20} MiB: {MEMORY_VARIABLE}=MIB gives it another"
        return f"the process was ended by {name}{hint}{out_of_memory}"

    def _stderr_tail(self) -> str:
        return "" if self._stderr.closed else self._stderr_bytes().decode(errors="replace").strip()

    def _stderr_bytes(self) -> bytes:
        """The tail; the child's own place in the file is the end, and stays there."""
        descriptor = self._stderr.fileno()
        return os.pread(descriptor, STDERR_TAIL_BYTES, max(0, os.fstat(descriptor).st_size - STDERR_TAIL_BYTES))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.kill()
        self.close()
