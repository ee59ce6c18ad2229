"""Signals that end a run early."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_ONE_WISH_S: Final = 1.0
"""Signals that follow each other faster ask for the same thing: whoever is impatient presses Ctrl-C twice."""


class Interrupts:
    """Interrupts of a run that has something to lose, until it is settled that it ends."""

    def __init__(self, outer: Interrupts | None = None) -> None:
        """`outer` are those of what this run is a part of: a wish that was heard here is not heard there again."""
        self._is_settled, self._outer = False, outer
        self._raised_at: float | None = None

    def settle(self) -> None:
        """Lets nothing interrupt any more: what was found is saved now."""
        self._is_settled = True

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """A signal: raises `KeyboardInterrupt`, but for the second of two that follow each other closely."""
        now = time.monotonic()
        if self._is_settled or (self._raised_at is not None and now - self._raised_at < _ONE_WISH_S):
            return
        self._note(now)
        raise KeyboardInterrupt

    def _note(self, now: float) -> None:
        self._raised_at = now
        if self._outer is not None:
            self._outer._note(now)


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Interrupts what is inside until it calls `settle`: from then on signals are ignored, such as while it saves.

    Signals that were ignored before, as under nohup, still are. Only the main thread is ever interrupted; in another
    one this does nothing.
    """
    outer = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    interrupts = Interrupts(outer if isinstance(outer, Interrupts) else None)
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) != signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, interrupts.handle)
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
