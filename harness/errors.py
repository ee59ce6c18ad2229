"""What the user can mend, from all four packages: the command line prints the message alone and exits with 2."""

from __future__ import annotations

from exporters.errors import ExportError
from reports.errors import ReportError
from runtimes.errors import RuntimeAdapterError


class HarnessError(Exception):
    """A run cannot start or go on; the message says what, what was found and what to do."""


class ChildFailedError(Exception):
    """A child process crashed, hung or broke off; it becomes the reason of a failed case.

    Attributes:
        reason: One line.
        stderr_tail: The last lines that the process wrote to standard error.
    """

    def __init__(self, reason: str, stderr_tail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stderr_tail = stderr_tail


USER_ERRORS = (HarnessError, ExportError, ReportError, RuntimeAdapterError)
