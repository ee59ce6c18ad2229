"""Which digits were called wrong, in a few bytes each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

Misclassified = Sequence[tuple[int, int]]


def packed(misclassified: Misclassified | None) -> bytes | None:
    """Numbers of digits, as steps from one to the next, each with what it was called; msgpack makes most a byte."""
    return None if misclassified is None else msgspec.msgpack.encode(list(_flat(misclassified)))


def unpacked(content: bytes | None) -> tuple[tuple[int, int], ...] | None:
    """What was packed."""
    if content is None:
        return None
    numbers = msgspec.msgpack.decode(content, type=list[int])
    found, digit = [], 0
    for step, called in zip(numbers[::2], numbers[1::2], strict=True):
        digit += step
        found.append((digit, called))
    return tuple(found)


def _flat(misclassified: Misclassified) -> Iterator[int]:
    for (before, _), (digit, called) in pairwise([(0, 0), *sorted(misclassified)]):
        yield digit - before
        yield called
