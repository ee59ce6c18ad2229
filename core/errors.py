"""The root of everything that crossrt raises, and the errors of what this room reads."""

from __future__ import annotations

from typing import ClassVar


class CrossrtError(Exception):
    """Something that the user can fix; the message says what, what was found and what to do.

    Attributes:
        exit_code: What a command exits with that it ends: 2, wrong usage or input.
    """

    exit_code: ClassVar[int] = 2


class ArtifactError(CrossrtError):
    """An artifact or its manifest is missing, damaged or does not match its hash."""


class DataError(CrossrtError):
    """Data are missing, damaged, or do not fit the model."""


class PluginError(CrossrtError):
    """A plug-in is not known, cannot be imported, or shares its name with another."""


LONGEST_MESSAGE = 4_000


def shortened(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """A text without its end where it is too long to be read."""
    return text if len(text) <= longest else f"{text[:longest]} [...]"


def parsing_problem(error: BaseException) -> str:
    """What a parser of TOML or JSON found wrong with a text."""
    return "its values are nested too deeply" if isinstance(error, RecursionError) else str(error)
