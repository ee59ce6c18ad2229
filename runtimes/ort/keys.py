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
_KEY: Final = re.compile(r"[a-z]+(\.[a-z0-9_]{3,})+")
"""How keys are written; names of source files, which a library holds too, are written otherwise or end like one."""

_FILE_ENDINGS: Final = (".hpp", ".cpp", ".cxx", ".inc", ".onnx", ".ort", ".json", ".proto")


def unknown_keys(keys: Sequence[str], library: Path) -> Mapping[str, Sequence[str]]:
    """The keys that are not among a library's texts, each with those that begin like it up to the first point.

    Compilers leave the end of a long text in the code that copies it, and its beginning, some times 16 bytes, as a text
    of its own: that is enough here.
    """
    missing = [key for key in keys if not _is_key(key) or key.encode() not in _texts(library, key.encode())]
    found = {key: _beginning_like(key, library) for key in missing}
    return {key: list(filter(_is_key, known)) for key, known in found.items() if not _is_cut(key, known)}


def _is_key(text: str) -> bool:
    """Whether a text is written like a key: `session.h` is the name of a file."""
    return _KEY.fullmatch(text) is not None and not text.endswith(_FILE_ENDINGS)


def _is_cut(key: str, known: Sequence[str]) -> bool:
    sizes = range(_COPIED_AT_ONCE, len(key), _COPIED_AT_ONCE)
    return _is_key(key) and any(key[:size] in known for size in sizes)


def _beginning_like(key: str, library: Path) -> list[str]:
    """Texts that begin like a key up to the first point; of those that follow each other without a border, each."""
    family = key.encode().partition(b".")[0] + b"."
    runs = _texts(library, family)
    found = {run[: end if (end := run.find(family, 1)) > 0 else None].decode() for run in runs}
    return sorted(found - {family.decode()})


def _texts(library: Path, beginning: bytes) -> set[bytes]:
    """Texts of letters, digits and points that begin like this, wherever they stand, but no calls in examples."""
    found: set[bytes] = set()
    for part in _parts(library):
        place = part.find(beginning)
        while place >= 0:
            text = _TEXT.match(part, place)
            assert text is not None
            if part[text.end() : text.end() + 1] != b"(":
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
