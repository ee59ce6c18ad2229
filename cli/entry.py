"""Where the `crossrt` command starts: nothing heavy is imported before interrupts and streams are looked after."""

from __future__ import annotations

import atexit
import errno
import os
import signal
import sys
from typing import NoReturn

from crossrt.cli.exit_codes import INTERRUPTED, OUTPUT_CLOSED, WRONG


def main() -> int:
    """Runs the command; an interrupt while its modules are still being imported is exit code 130 as well."""
    if sys.platform == "win32":
        print("crossrt runs on Linux and macOS: on Windows, use it in WSL 2, where it does all of it", file=sys.stderr)
        return WRONG
    try:
        from crossrt.cli.streams import OUTPUT_IS_CLOSED, forgive_standard_error, left_unwritten, open_closed_streams

        open_closed_streams()
        forgive_standard_error()
        from crossrt.cli.main import main as run

        code = run()
        _ignore_signals()
        if (lost := left_unwritten()) is None:
            return _leave() if code == INTERRUPTED else code
        if isinstance(lost, BrokenPipeError):  # as where the reader of several lines leaves between two of them
            return code or OUTPUT_CLOSED
        if code != WRONG:  # which was explained
            why = (
                OUTPUT_IS_CLOSED if lost.errno == errno.EBADF else f"standard output cannot be written: {lost.strerror}"
            )
            print(f"crossrt: {why}", file=sys.stderr)
        return code or WRONG
    except ImportError as error:
        print(f"crossrt cannot be started: {error}: install it again with its dependencies", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        _ignore_signals()
        print("crossrt: interrupted", file=sys.stderr)  # click may not be there yet
        return _leave()


def _leave() -> NoReturn:
    """Ends the process without Python's tidying up, which takes seconds on a busy machine while somebody waits."""
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _ignore_signals() -> None:
    """All is done and said: an interrupt of Python's own tidying up would only show a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
