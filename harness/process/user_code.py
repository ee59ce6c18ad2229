"""Processes that run code of the user's or of other packages: a hang, a crash or a flood of text ends only them.

What such code prints goes to standard error, up to a limit. The processes live as long as the scratch folder of a run.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Final

from crossrt.core.user_code import TIMEOUT_VARIABLE
from crossrt.harness.errors import HarnessError
from crossrt.harness.process.child import STDERR_TAIL_BYTES, ChildProcess
from crossrt.harness.process.scratch import temporary_variables

DEFAULT_TIMEOUT_S: Final = 300.0
START_S: Final = 60.0
"""How long it may take until a process has started, before any such code runs."""
MOST_PRINTED_BYTES: Final = 64 * 2**10
_MEMORY_SHARE: Final = 0.8
_CHUNK: Final = 1 << 16


def time_limit_s() -> float:
    """How long a call of such code may take.

    Raises:
        HarnessError: The environment variable holds something else than a number above 0.
    """
    text = os.environ.get(TIMEOUT_VARIABLE, "").strip()
    try:
        found = float(text or DEFAULT_TIMEOUT_S)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise HarnessError(f"{TIMEOUT_VARIABLE} is {text!r}; expected a number of seconds above 0")
    return found


def memory_limit_bytes() -> int:
    """Private memory that such code may have: most of the machine's, so that the rest of a run goes on."""
    return int(_MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


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
        self._printed = process.stderr
        self._relay = Thread(target=self._pass_on, args=(process.stderr,), daemon=True)
        self._relay.start()
        self._drive(process, io.BytesIO())

    def close(self) -> None:
        """Ends the process, and passes on the last of what it printed."""
        super().close()
        self.finish_printing()

    def finish_printing(self) -> None:
        """Waits for what was printed before the process ended."""
        self._relay.join(1.0)

    def when_it_ends(self, say: Callable[[str], object]) -> None:
        """Calls `say` with how the process ended, in a thread of its own."""

        def watch() -> None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            say(self._describe_end())

        Thread(target=watch, daemon=True).start()

    def _pass_on(self, stream: IO[bytes]) -> None:
        left, is_cut = MOST_PRINTED_BYTES, False
        with stream:
            while chunk := os.read(stream.fileno(), _CHUNK):
                self._tail = (self._tail + chunk)[-STDERR_TAIL_BYTES:]
                if left:
                    _print(chunk[:left].decode(errors="replace"))
                if len(chunk) > left and not is_cut:
                    _print(f"\n{self._name} printed more than {MOST_PRINTED_BYTES // 1024} KiB: the rest is left out\n")
                    is_cut = True
                left = max(0, left - len(chunk))

    def _stderr_tail(self) -> str:
        return self._tail.decode(errors="replace").strip()


def _print(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody reads, or there is no standard error
        sys.stderr.write(text)
        sys.stderr.flush()


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
