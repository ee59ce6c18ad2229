"""Text from elsewhere, made safe to print: a report may quote what any process wrote."""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"
_DROPPED = ("Cc", "Cs", "Cn", "Zl", "Zp")
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def printable(text: str) -> str:
    """The text without signs that move the cursor, rename the window, turn the direction of reading or break XML."""
    return "".join(sign for sign in text if sign in _KEPT or not _is_dropped(sign))


def _is_dropped(sign: str) -> bool:
    return unicodedata.category(sign) in _DROPPED or sign in _TURNING
