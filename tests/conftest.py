"""Where these tests run in the background of a shell, which ignores Ctrl-C, what they start heeds it all the same."""

from __future__ import annotations

import signal


def pytest_configure():
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
