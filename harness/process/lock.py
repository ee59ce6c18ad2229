"""One measurement at a time on a machine: two would disturb each other.

Runs that share a cache folder take turns. A run that asks for exclusive use keeps out those of all users: it locks a
file of the machine for itself, which the others lock together.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from crossrt.core.errors import one_line
from crossrt.harness.errors import HarnessError
from crossrt.harness.locations import CACHE_VARIABLE, MACHINE_LOCK_VARIABLE, machine_lock_file
from crossrt.reports.text.printable import printable
from crossrt.reports.text.progress import Display

_LOOK_EVERY_S: Final = 0.5
_SAFELY: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_BYTES: Final = 32
_LONGEST_COMMAND: Final = 120


@contextmanager
def measuring_alone(path: Path, display: Display, *, is_exclusive: bool = False) -> Iterator[None]:
    """Waits until no other run with this lock measures, nor any that wants the machine for itself, and says so.

    With `is_exclusive` it waits until no run of any user measures, and keeps all of them out.

    Raises:
        HarnessError: The lock of the machine cannot be taken, where exclusive use was asked for.
    """
    with _taking_turns(path, display), _on_this_machine(machine_lock_file(), display, is_exclusive=is_exclusive):
        yield


@contextmanager
def _taking_turns(path: Path, display: Display) -> Iterator[None]:
    """Waits until no other run with this lock measures.

    The file may lie where others can write: it is never followed to another one, and nobody's file but our own is
    written. Where it can be neither made nor opened, measuring goes on without it, and that is said.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(path)
    except OSError as error:
        display.remark(
            f"  the cache folder {path.parent} cannot be written ({error.strerror}): another crossrt run at the same"
            f" time would not be noticed; {CACHE_VARIABLE}=FOLDER names another"
        )
        yield
        return
    try:
        if not _take(descriptor):
            display.remark(f"waiting: another crossrt run (process {_owner(descriptor)}) is measuring on this machine")
            while not _take(descriptor):
                time.sleep(_LOOK_EVERY_S)
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _on_this_machine(path: Path, display: Display, *, is_exclusive: bool) -> Iterator[None]:
    """The lock of all users of the machine: for oneself, or together with others.

    Anybody may have put anything in its place: a run that does not ask for exclusive use goes on without it.
    """
    kind = fcntl.LOCK_EX if is_exclusive else fcntl.LOCK_SH
    try:
        descriptor = _opened(path)
        is_taken = _first_taken(descriptor, kind)
    except (OSError, HarnessError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        if is_exclusive:
            raise HarnessError(
                f"exclusive use of this machine cannot be proved: its lock file {path} cannot be used ({said});"
                f" {MACHINE_LOCK_VARIABLE}=FILE names another one, which all users have to share"
            ) from error
        if os.path.lexists(path):
            display.remark(
                f"  a run of another user with --exclusive would not be noticed: {path} cannot be used ({said})"
            )
        yield
        return
    try:
        if not is_taken:
            display.remark(
                f"waiting: other crossrt runs are measuring on this machine{_holders(descriptor)}"
                if is_exclusive
                else f"waiting: a crossrt run (process {_owner(descriptor)}) has this machine to itself"
            )
            while not _take(descriptor, kind):
                time.sleep(_LOOK_EVERY_S)
        if is_exclusive:
            _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def _first_taken(descriptor: int, kind: int) -> bool:
    """Whether it could be taken at once; raises `OSError`, and closes it, where its file system has no locks."""
    try:
        return _take(descriptor, kind)
    except OSError:
        os.close(descriptor)
        raise


def _opened(path: Path) -> int:
    """The file for reading and writing, or, where it is another user's, for reading, which is enough to lock it.

    Whatever else lies there is left as it is, its mode too: a device, or a second name of somebody's private file.
    """
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFELY, 0o644)
        os.fchmod(descriptor, 0o644)  # whatever the mask is: others have to open it too
        return descriptor
    try:
        descriptor = os.open(path, os.O_RDWR | _SAFELY)
    except OSError:
        if path.is_symlink():
            raise HarnessError(f"{path} is a link, where a lock file is expected: remove it") from None
        descriptor = os.open(path, os.O_RDONLY | _SAFELY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise HarnessError(f"{path} is not a regular file, where a lock file is expected: remove it")
    return descriptor


def _take(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int) -> None:
    """Writes our process id into a file that is ours and has no other name."""
    found = os.fstat(descriptor)
    is_writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR
    if is_writable and found.st_uid == os.geteuid() and found.st_nlink == 1 and found.st_size <= _MOST_BYTES:
        with suppress(OSError):  # a full disk
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def _holders(descriptor: int) -> str:
    """The processes that hold the lock, as the kernel lists them (proc_locks(5)), each with its command and its age."""
    found = os.fstat(descriptor)
    file = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    pids = []
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == file:  # one that waits has -> in between
                pids.append(int(fields[4]))
    told = [text for pid in dict.fromkeys(pids) if (text := _described(pid)) is not None]
    return f": {'; '.join(told)}" if told else ""


def _described(pid: int) -> str | None:
    """A process in words; None where another user's, or one of another container, does not show itself."""
    try:
        command = Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        started = int(Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[19])
        age_s = float(Path("/proc/uptime").read_text().split()[0]) - started / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
    return f"process {pid} ({printable(one_line(command))[:_LONGEST_COMMAND]}), for {max(age_s, 0):,.0f} s"


def _owner(descriptor: int) -> str:
    """The process that signed it last, if that is still there: another user's may hold it without a signature."""
    said = os.pread(descriptor, _MOST_BYTES, 0).strip().decode(errors="replace")
    return said if said.isascii() and said.isdigit() and Path("/proc", said).exists() else "unknown"
