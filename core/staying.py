"""Code of the user's that ends its process must not end ours without a word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final, NoReturn

_leave: Final = os._exit
_lock: Final = Lock()
_staying: Final[list[int]] = []
"""The process id, once for each block that is running."""


@contextmanager
def staying() -> Iterator[None]:
    """Makes `os._exit`, called from Python in this process, raise `SystemExit`; processes forked meanwhile still end.

    A crash in native code still ends the process, by a signal that a shell reports.
    """
    with _lock:
        _staying.append(os.getpid())
        os._exit = _refuse
    try:
        yield
    finally:
        with _lock:
            _staying.pop()
            if not _staying:
                os._exit = _leave


def _refuse(status: int) -> NoReturn:
    if os.getpid() in _staying:
        raise SystemExit(f"it called os._exit({status}), which would end crossrt")
    _leave(status)
