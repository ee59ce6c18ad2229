"""A worker that is forked from this process: the only way to a fresh process for a function that has no name.

Its memory layout is drawn from this process, and of this process's threads it has the calling one alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from crossrt.core.parent import die_with_parent
from crossrt.harness.process.callables import Call, CallableWorker
from crossrt.harness.process.child import ChildProcess, stderr_file
from crossrt.harness.process.worker import serve

_LOOK_EVERY_S = 0.001


class ForkedProcess:
    """The part of `subprocess.Popen` that a `ChildProcess` needs, for a fork that runs a function and exits."""

    def __init__(self, body: Callable[[IO[str], IO[str]], None], output: IO[bytes]) -> None:
        """`body` gets the pipes of requests and answers; what it prints goes to `output`."""
        request_end, self_request_end = os.pipe()
        self_answer_end, answer_end = os.pipe()
        _flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the child leaves alone
            self.pid = os.fork()
        if self.pid == 0:
            _live_as_child(body, request_end, answer_end, output)
        with suppress(OSError):  # the child does it too: whoever is first
            os.setpgid(self.pid, self.pid)
        os.close(request_end)
        os.close(answer_end)
        self.stdin: IO[bytes] | None = os.fdopen(self_request_end, "wb", buffering=0)
        self.stdout: IO[bytes] | None = os.fdopen(self_answer_end, "rb", buffering=0)
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end; raises `subprocess.TimeoutExpired`."""
        end = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("a forked process", timeout or 0.0)
            time.sleep(_LOOK_EVERY_S)
        return status


class ForkedChild(ChildProcess):
    """A forked process that answers requests about one call."""

    def __init__(self, call: Call) -> None:
        stderr = stderr_file()
        self._drive(
            ForkedProcess(lambda requests, answers: serve(CallableWorker(call), requests, answers), stderr), stderr
        )


def _flush() -> None:
    """Whatever waits in a buffer would be written twice."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


def _live_as_child(
    body: Callable[[IO[str], IO[str]], None], request_end: int, answer_end: int, output: IO[bytes]
) -> None:
    """The child from the fork to its end; it never returns to the code that was running."""
    try:
        os.setpgid(0, 0)
        die_with_parent()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _redirect(output)
        with (
            os.fdopen(request_end, encoding="utf-8") as requests,
            os.fdopen(answer_end, "w", encoding="utf-8") as answers,
        ):
            body(requests, answers)
    finally:
        os._exit(0)


def _redirect(output: IO[bytes]) -> None:
    """Standard streams of its own: those of the parent may be another's, such as a test framework's."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    sys.stdin = os.fdopen(nothing, encoding="utf-8", closefd=False)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
