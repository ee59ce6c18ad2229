"""What can go wrong when a report is read or written."""

from crossrt.core.errors import CrossrtError


class ReportError(CrossrtError):
    """A report cannot be read or written."""
