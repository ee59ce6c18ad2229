"""Signals that end a run early."""

from __future__ import annotations

import signal


def ignore_interrupts() -> None:
    """Lets nothing stop what follows: a run that was interrupted still saves its report."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
