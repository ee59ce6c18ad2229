"""What LiteRT prints on standard error, where no setting of its Python package is quieter."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_STDERR: Final = 2
_CHATTER: Final = ("INFO:", "WARNING:", "VERBOSE:", "└")
"""How lines begin that name accelerators and plug-ins which it looked for, and go on."""


@contextmanager
def without_noise() -> Iterator[None]:
    """Keeps standard error of this process, native code's too, until it is over; passes on all but chatter.

    LiteRT lists there which accelerators it looks for, about 30 lines a model, and warns of those that are not there.
    """
    try:
        kept = os.dup(_STDERR)
    except OSError:  # it is closed: nobody sees anything
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            said.seek(0)
            _pass_on(said.read())


def _pass_on(said: bytes) -> None:
    lines = [line for line in said.splitlines() if not line.startswith(tuple(each.encode() for each in _CHATTER))]
    if lines:
        os.write(_STDERR, b"\n".join(lines) + b"\n")
