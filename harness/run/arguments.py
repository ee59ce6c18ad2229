"""Arguments of the Python interface that have a wrong type: one error that names the argument, before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from crossrt.harness.errors import HarnessError


def names_in(argument: str, value: Any) -> tuple[str, ...]:
    """One string, or several.

    Raises:
        HarnessError: It is something else.
    """
    found = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    if not all(isinstance(each, str) for each in found):
        raise _refused(argument, value, "a string or a list of strings")
    return tuple(found)


def text_in(argument: str, value: Any) -> str | None:
    """A string, or None; raises `HarnessError` for anything else."""
    if value is None or isinstance(value, str):
        return value
    raise _refused(argument, value, "a string")


def word_in(argument: str, value: Any) -> str:
    """A string; raises `HarnessError` for anything else, a version written as a number too."""
    if isinstance(value, str):
        return value
    raise _refused(argument, value, "a string")


def path_in(argument: str, value: Any) -> Path:
    """A path; raises `HarnessError` for anything else."""
    if isinstance(value, str | Path):
        return Path(value)
    raise _refused(argument, value, "a path")


def sizes_in(argument: str, value: Any) -> dict[str, int]:
    """Sizes by name; what is not a size is told by what binds it. Raises `HarnessError` where it is not a mapping."""
    if value is None or isinstance(value, Mapping):
        return dict(value or {})
    raise _refused(argument, value, 'sizes by name, such as {"N": 1}')


def task_in(value: Any) -> str | None:
    """How answers are scored: a name.

    Raises:
        HarnessError: It is a function, or something else.
    """
    if callable(value):
        raise HarnessError(
            f"task is {_shown(value)}; metrics run in a process of their own, which imports them: give it as"
            ' "module:function" or "file.py:function"'
        )
    return text_in("task", value)


def check_types(record: Any, names: Mapping[str, str]) -> None:
    """Checks that every field of a dataclass has its type, which Python leaves to whoever reads it.

    Args:
        record: The record.
        names: What users call a field, where that is not its name.

    Raises:
        HarnessError: One has another.
    """
    import msgspec

    hints = get_type_hints(type(record))
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        plain = (int(value) if isinstance(value, Integral) else float(value)) if is_number else value  # of numpy, too
        try:
            msgspec.convert(plain, hints[each.name])
        except msgspec.ValidationError:
            raise _refused(names.get(each.name, each.name), value, _in_words(hints[each.name])) from None


def _in_words(hint: Any) -> str:
    """What a type lets through."""
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if found := get_args(hint):
        return " or ".join(map(_in_words, found))
    return {int: "a whole number", float: "a number", bool: "True or False", Path: "a path", type(None): "None"}.get(
        hint, f"a {getattr(hint, '__name__', hint)}"
    )


def _refused(argument: str, value: Any, expected: str) -> HarnessError:
    return HarnessError(f"{argument} is {_shown(value)}; expected {expected}")


def _shown(value: Any) -> str:
    """A value in a few words; a long one, or a function, by its type."""
    kind = type(value).__name__
    if callable(value):
        return f"the {kind} {getattr(value, '__name__', '')}".rstrip()
    text = repr(value)
    return text if len(text) <= 40 and "\n" not in text else f"of type {kind}"
