"""What can be wrong with a fleet."""

from __future__ import annotations

from crossrt.core.errors import CrossrtError


class FleetError(CrossrtError):
    """A fleet that cannot be planned or joined, with what to do about it."""
