"""Counters of the processor (PMU), read by `perf stat` of Linux, which is attached to a worker while it calls."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from crossrt.core.control_group import ROOT

EVENTS: Final = ("instructions", "cycles", "cache-misses")
_PARANOID: Final = 2
"""Above it a user may not count anything (Linux, admin-guide/perf-security)."""

_ANSWER_S: Final = 10.0
_LONGEST_ANSWER: Final = 64
_IN_USER_SPACE: Final = ":u"
"""What `perf` adds to an event that it may count in user space alone."""


class PerfError(Exception):
    """`perf stat` does not do what was asked; the message says why."""


def counter_problem(root: Path = ROOT) -> str | None:
    """Why nothing can be counted, with what helps, or None where it can; `root` is where `/proc` and `/sys` are."""
    if not any((root / "sys/bus/event_source/devices").glob("cpu*")):
        return "no counters (PMU): this machine shows no event source of its processor (a virtual machine?)"
    try:
        level = int((root / "proc/sys/kernel/perf_event_paranoid").read_text())
    except (OSError, ValueError):
        return "no counters (PMU): the kernel was built without perf events"
    if level > _PARANOID and os.geteuid() != 0:
        return f"no counters (PMU): not allowed: sudo sysctl kernel.perf_event_paranoid={_PARANOID} (it is {level})"
    if shutil.which("perf") is None:
        return "no counters (PMU): perf is not installed (Debian: sudo apt install linux-perf; Fedora: perf)"
    return None


class PerfStat:
    """`perf stat` on all threads of a process, told when to count.

    Attributes:
        counts: What was counted, by event, once it is over; an event that could not be counted is missing.
        is_user_only: Whether only what ran in user space was counted, as the kernel may ask.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], control: int, answers: int, output: Path, messages: Path
    ) -> None:
        self._process, self._control, self._answers = process, control, answers
        self._output, self._messages = output, messages
        self.counts: Mapping[str, int] = {}
        self.is_user_only = False

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts until it is over.

        Raises:
            PerfError: `perf` ended, or does not answer.
        """
        self._tell("enable")
        yield
        self._tell("disable")
        self._process.send_signal(signal.SIGINT)  # writes what it counted and ends
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ANSWER_S)
        try:
            self.counts, self.is_user_only = counts_in(self._output.read_text())
        except OSError as error:
            raise PerfError(f"perf stat wrote nothing: {error}{self._own_words()}") from error

    def _tell(self, command: str) -> None:
        try:
            os.write(self._control, f"{command}\n".encode())
        except OSError as error:
            raise PerfError(f"perf stat ended before it was told to {command}{self._own_words()}") from error
        if not select.select([self._answers], [], [], _ANSWER_S)[0]:
            raise PerfError(f"perf stat did not {command} within {_ANSWER_S:.0f} s{self._own_words()}")
        if not os.read(self._answers, _LONGEST_ANSWER):
            raise PerfError(f"perf stat ended before it could {command}{self._own_words()}")

    def _own_words(self) -> str:
        """The first line that says what is wrong, of those that it printed."""
        lines = self._messages.read_text(errors="replace").split("\n") if self._messages.exists() else []
        said = [line.strip() for line in lines if not line.startswith(("Events ", "Error:"))]
        return next((f": {line}" for line in said if line), "")


@contextmanager
def perf_stat(pid: int, folder: Path, events: tuple[str, ...] = EVENTS) -> Iterator[PerfStat]:
    """Attaches `perf stat` to a process, counting nothing yet.

    Args:
        pid: The process.
        folder: A scratch folder.
        events: What is counted.

    Raises:
        PerfError: It cannot be started.
    """
    output, messages = (folder / f"perf-{pid}.{kind}" for kind in ("csv", "txt"))
    with _pipe() as (told, control), _pipe() as (answers, answering):
        command = ["perf", "stat", "-x", ";", "-e", ",".join(events), "-p", str(pid), "-D", "-1", "-o", str(output)]
        command += ["--control", f"fd:{told.fileno()},{answering.fileno()}"]
        try:
            with messages.open("wb") as printed:
                process = subprocess.Popen(
                    command,
                    pass_fds=(told.fileno(), answering.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=printed,
                    env={**os.environ, "LC_ALL": "C"},
                )
        except OSError as error:
            raise PerfError(f"perf cannot be started: {error}") from error
        answering.close()  # so that its end is seen
        try:
            yield PerfStat(process, control.fileno(), answers.fileno(), output, messages)
        finally:
            process.kill()
            process.wait()


@contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Both ends of a pipe: what is read, and what is written."""
    read, write = os.pipe()
    with FileIO(read, "rb") as reader, FileIO(write, "wb") as writer:
        yield reader, writer


def counts_in(text: str) -> tuple[Mapping[str, int], bool]:
    """What `perf stat -x ';'` counted, by event, and whether in user space alone.

    Its lines are `value;unit;event;...`, and the value is `<not supported>` or `<not counted>` where there is none.
    On processors with two kinds of cores an event is told for each, as `cpu_core/cycles/`: these add up.
    """
    counts: dict[str, int] = {}
    is_user_only = False
    for line in text.splitlines():
        value, *others = line.split(";")
        if len(others) < 2 or not value.isdecimal():
            continue
        event = others[1]
        is_user_only |= event.endswith((_IN_USER_SPACE, "/u"))
        name = event.removesuffix(_IN_USER_SPACE).removesuffix("u").rstrip("/").rpartition("/")[2]
        counts[name] = counts.get(name, 0) + int(value)
    return counts, is_user_only
