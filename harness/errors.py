"""What can go wrong in a run."""

from __future__ import annotations

from crossrt.core.errors import CrossrtError, shortened


class HarnessError(CrossrtError):
    """A run cannot start or go on; the message says what, what was found and what to do."""


class ArmFailedError(HarnessError):
    """A side of an A/B comparison failed: its file was not made, it crashed or hung, or answers too differently."""

    exit_code = 1


class BusyMachineError(HarnessError):
    """A machine is not quiet enough to be measured on alone; later it may be."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: never to be taken for a verdict


class OutOfTimeError(HarnessError):
    """The time was over before anything could be judged; more of it may be enough."""

    exit_code = 3


LONGEST_REASON = 1_000


class ChildFailedError(Exception):
    """A child process crashed, hung or broke off; it becomes the reason of a failed case.

    Attributes:
        reason: One line.
        stderr_tail: The last lines that the process wrote to standard error.
    """

    def __init__(self, reason: str, stderr_tail: str) -> None:
        super().__init__(reason)
        self.reason = shortened(reason, LONGEST_REASON)
        self.stderr_tail = stderr_tail


class NoAnswerError(ChildFailedError):
    """A child process did not answer in time: it was killed."""


class OptionFailedError(ChildFailedError):
    """A worker's runtime refuses an option."""


class NotInstalledError(ChildFailedError):
    """A runtime's package is missing: its cases are skipped, not failed."""
