"""What can go wrong when a report is read or written."""


class ReportError(Exception):
    """A report cannot be read or written; the message says what, what was found and what to do."""
