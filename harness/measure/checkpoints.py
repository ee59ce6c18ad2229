"""Keeping finished rounds while others are measured: for the run that is killed, or whose machine goes down."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from crossrt.core.errors import CrossrtError

SHARE: Final = 0.05
"""Of the time that goes by, so much may be spent on keeping."""


class Checkpoints:
    """Called after each round; keeps what is finished where that is due."""

    def __init__(self, keep: Callable[[], object]) -> None:
        """`keep` saves everything so far; where that fails, the end of the run will tell."""
        self._keep = keep
        self._due = 0.0

    def __call__(self) -> None:
        """Keeps, unless it was done a short time ago."""
        began = time.monotonic()
        if began < self._due:
            return
        with suppress(CrossrtError, OSError):
            self._keep()
        took_s = time.monotonic() - began
        self._due = began + took_s / SHARE


Found = TypeVar("Found")


def after_round(find: Callable[[], Found], save: Callable[[Found], object] | None) -> Callable[[], None]:
    """What a run does after each round; nothing where nothing is saved before its end."""
    return (lambda: None) if save is None else Checkpoints(lambda: save(find()))
