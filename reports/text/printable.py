"""Text from elsewhere, made safe to print: a report or a model may hold what anybody wrote."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_KEPT: Final = "\n\t\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{WORD JOINER}"
_DROPPED: Final = ("Cc", "Cf", "Cn", "Cs", "Zl", "Zp")

_COMMAND: Final = re.compile(r"^([^\S\n]*:)(?=:)|(#)(?=#\w*\[)", re.MULTILINE)
"""What CI services take for orders: `::error::` at the start of a line, `##[error]` and `##vso[` anywhere."""


def printable(text: str) -> str:
    """The text without signs that move the cursor, rename the window, turn the direction of reading or break XML."""
    if text.isprintable():
        return text
    return "".join(sign for sign in text if sign in _KEPT or unicodedata.category(sign) not in _DROPPED)


def for_logs(text: str) -> str:
    """Printable text in which no line is an order to the CI service that reads the log; lines count as whole."""
    return _COMMAND.sub(r"\1\2 ", printable(text))


def json_for_logs(text: str) -> str:
    """JSON that means the same, with signs that are not printable, and orders to CI services, as escapes."""
    text = re.sub(r"[^\n\t -~]", lambda found: found[0] if printable(found[0]) else _json_escape(found[0]), text)
    return re.sub(r"#(?=#\w*\[)", r"\\u0023", text)


def _json_escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
