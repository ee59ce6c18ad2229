"""Processes that must not outlive the one that started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator

_PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Asks Linux to send this process a signal when its parent dies: by default the one that ends it at once.

    That works even while native code is stuck, which another signal may not.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


@contextlib.contextmanager
def leaving_copies() -> Iterator[None]:
    """Ends, at the end of what is inside, any copy of this process that code forked there: our work is done once."""
    original = os.getpid()
    try:
        yield
    finally:
        leave_copy_of(original)


def leave_copy_of(original: int) -> None:
    """Ends this process at once where it is not the original one."""
    if os.getpid() != original:
        os._exit(0)
