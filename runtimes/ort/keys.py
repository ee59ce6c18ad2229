"""Which keys a build of ONNX Runtime knows, from the texts in its library: its interface does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

_PART_BYTES: Final = 2**20
_LONGEST_KEY: Final = 256
_COPIED_AT_ONCE: Final = 16
_TEXT: Final = re.compile(rb"[A-Za-z0-9_.]+")


def unknown_keys(keys: Sequence[str], library: Path) -> Mapping[str, Sequence[str]]:
    """The keys that are not among a library's texts, each with those that begin like it up to the first point.

    Compilers leave the end of a long text in the code that copies it, and its beginning, some times 16 bytes, as a text
    of its own: that is enough here.
    """
    missing = [key for key in keys if key.encode() not in _texts(library, key.encode())]
    return {key: known for key in missing if not _is_cut(key, known := _beginning_like(key, library))}


def _is_cut(key: str, known: Sequence[str]) -> bool:
    return any(key[:size] in known for size in range(_COPIED_AT_ONCE, len(key), _COPIED_AT_ONCE))


def _beginning_like(key: str, library: Path) -> list[str]:
    """Texts that begin like a key up to the first point; of those that follow each other without a border, each."""
    family = key.encode().partition(b".")[0] + b"."
    runs = _texts(library, family)
    found = {run[: end if (end := run.find(family, 1)) > 0 else None].decode() for run in runs}
    return sorted(found - {family.decode()})


def _texts(library: Path, beginning: bytes) -> set[bytes]:
    """Texts of letters, digits and points that begin like this, wherever they stand."""
    found: set[bytes] = set()
    for part in _parts(library):
        place = part.find(beginning)
        while place >= 0:
            text = _TEXT.match(part, place)
            assert text is not None
            found.add(text[0])
            place = part.find(beginning, place + 1)
    return found


def _parts(library: Path) -> Iterator[bytes]:
    """The file part by part: read whole or mapped, its pages would count as memory of this process."""
    rest = b""
    with library.open("rb") as opened:
        while part := opened.read(_PART_BYTES):
            yield rest + part
            rest = part[-_LONGEST_KEY:]
