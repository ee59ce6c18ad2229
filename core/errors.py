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


LONGEST_QUOTED = 100


def quoted(text: str) -> str:
    """What a user wrote, as a message quotes it: without its end where it is too long to be read."""
    return repr(shortened(text, LONGEST_QUOTED))


def parsing_problem(error: BaseException) -> str:
    """What a parser of TOML or JSON found wrong with a text."""
    return "its values are nested too deeply" if isinstance(error, RecursionError) else str(error)


_VISIBLE = str.maketrans({"\n": "\u23ce", "\t": "\u21e5"})


def one_line(text: str) -> str:
    """A text with visible signs in place of line breaks and tabs: a name must not look like a line of ours."""
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def indented(text: str) -> str:
    """A message in which all lines after the first are indented more than that: none begins where ours begin."""
    room = len(text) - len(text.lstrip(" ")) + 2
    return text.replace("\n", f"\n{' ' * room}")
