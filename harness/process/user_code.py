"""Processes that run code of the user's or of other packages: a hang, a crash or a flood of text ends only them.

What such code prints goes to standard error, up to a limit. The processes live as long as the scratch folder of a run.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Final

from crossrt.core.errors import CrossrtError
from crossrt.core.user_code import more_time
from crossrt.harness.errors import ChildFailedError, NoAnswerError
from crossrt.harness.process.child import STDERR_TAIL_BYTES, ChildProcess
from crossrt.harness.process.scratch import temporary_variables
from crossrt.reports.text.printable import for_logs

START_S: Final = 60.0
"""How long it may take until a process has started, before any such code runs."""
MOST_PRINTED_BYTES: Final = 64 * 2**10
_CHUNK: Final = 1 << 16


class UserCodeProcess(ChildProcess):
    """Runs `python -P -m MODULE`; what it prints is passed on while it runs.

    Args:
        module: What is run.
        name: What messages call the code.
    """

    def __init__(self, module: str, name: str) -> None:
        self._name, self._tail = name, b""
        process = subprocess.Popen(
            [sys.executable, "-P", "-X", "faulthandler", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **temporary_variables()},
            start_new_session=True,
            bufsize=0,
        )
        assert process.stderr is not None
        self._relay = Thread(target=self._pass_on, args=(process.stderr,), daemon=True)
        self._relay.start()
        self._drive(process, io.BytesIO())

    def close(self) -> None:
        """Ends the process, and passes on the last of what it printed."""
        super().close()
        self._relay.join(1.0)

    def failure(self, reason: str) -> ChildFailedError:
        """A failure with this reason, after the last of what the process printed."""
        self._relay.join(1.0)
        return super().failure(reason)

    def when_it_ends(self, say: Callable[[str], object]) -> None:
        """Calls `say` with how the process ended, in a thread of its own."""

        def watch() -> None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            say(self._describe_end())

        Thread(target=watch, daemon=True).start()

    def _pass_on(self, stream: IO[bytes]) -> None:
        """Prints whole lines: parts of one would stand among messages of ours."""
        left, is_cut, line = MOST_PRINTED_BYTES, False, b""
        with stream:
            while chunk := os.read(stream.fileno(), _CHUNK):
                self._tail = (self._tail + chunk)[-STDERR_TAIL_BYTES:]
                lines, end, line = (line + chunk[:left]).rpartition(b"\n")
                _print(lines + end)
                if len(chunk) > left and not is_cut:
                    said = f"{self._name} printed more than {MOST_PRINTED_BYTES // 1024} KiB: the rest is left out\n"
                    _print((line and line + b"\n") + said.encode())
                    is_cut, line = True, b""
                left = max(0, left - len(chunk))
        _print(line and line + b"\n")

    def _stderr_tail(self) -> str:
        return self._tail.decode(errors="replace").strip()


def _print(lines: bytes) -> None:
    """Prints lines as text of a file is printed; of one that was written over, the last state."""
    text = lines.decode(errors="replace").replace("\r\n", "\n")
    shown = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody reads, or there is no standard error
        sys.stderr.write(for_logs(shown))
        sys.stderr.flush()


@contextlib.contextmanager
def one_message(what: str, limit_s: float, kind: type[CrossrtError]) -> Iterator[None]:
    """Makes an error of a process that was stopped, or ended by itself, while code called `what` ran."""
    try:
        yield
    except NoAnswerError as failure:
        raise kind(f"{what} did not answer within {limit_s:g} s, so it was stopped; {more_time()}") from failure
    except ChildFailedError as failure:
        raise kind(f"{what} could not be run to its end: {failure.reason}") from failure


_lock: Final = Lock()
_kept: Final[dict[Path, list[ChildProcess]]] = {}


def keep_with(folder: Path, process: ChildProcess) -> None:
    """Keeps a process until the scratch folder that `folder` is, or lies in, is removed."""
    with _lock:
        root = next((each for each in _kept if folder == each or each in folder.parents), folder)
        _kept.setdefault(root, []).append(process)


@contextlib.contextmanager
def user_code_in(folder: Path) -> Iterator[None]:
    """Ends all processes that were kept with this scratch folder, or a folder in it."""
    with _lock:
        _kept[folder] = []
    try:
        yield
    finally:
        with _lock:
            processes = _kept.pop(folder)
        for each in processes:
            each.close()
