"""What the name of a file claims of its quantization."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

What = Literal["weights", "floats", "anything"]

_PATTERNS: Final[Sequence[tuple[re.Pattern[str], What]]] = (
    (re.compile(r"^a\d+w(\d+)$"), "weights"),
    (re.compile(r"^w(\d+)(?:a\d+)?$"), "weights"),
    (re.compile(r"^u?int\d+x(\d+)$"), "weights"),
    (re.compile(r"^u?int(\d+)$"), "weights"),
    (re.compile(r"^q(\d+)$"), "weights"),
    (re.compile(r"^(?:fp|float)(8|16)$"), "floats"),
)
_ANY: Final = re.compile(r"^(?:quant|quantized|quantised|qdq|qoperator|ptq|qat)$")


def claims(name: str) -> list[tuple[str, int, What]]:
    """The words of a name that claim something, with the bits that they claim, 0 for any, and of what.

    Args:
        name: Such as `net.int8-qdq.onnx`.
    """
    found: list[tuple[str, int, What]] = []
    for word in re.split(r"[^a-z0-9]+", name.lower()):
        matches = ((pattern.match(word), what) for pattern, what in _PATTERNS)
        if known := next(((int(match[1]), what) for match, what in matches if match), None):
            found.append((word, *known))
        elif _ANY.match(word):
            found.append((word, 0, "anything"))
    return found
