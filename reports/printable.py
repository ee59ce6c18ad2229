"""Text from elsewhere, made safe to print: a report may quote what any process wrote."""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"


def printable(text: str) -> str:
    """The text without control signs, which could move the cursor or rename the window of whoever reads it."""
    return "".join(sign for sign in text if sign in _KEPT or unicodedata.category(sign) not in ("Cc", "Cs"))
