"""Whether messages are shown: progress and remarks on standard error, which `-q` asks to leave out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


def is_quiet() -> bool:
    """True if only results and errors are to be shown."""
    return _QUIET.get()


@contextmanager
def quiet_messages() -> Iterator[None]:
    """Leaves out messages until it is over."""
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)
