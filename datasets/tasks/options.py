"""Options of a task, as in `classification:output=logits,top_k=5`."""

from __future__ import annotations

from collections.abc import Mapping

from crossrt.core.errors import DataError


def parsed_options(task: str, text: str) -> Mapping[str, str]:
    """Options by name.

    Raises:
        DataError: An option has no value, or stands there twice.
    """
    options: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not name or not value:
            raise DataError(f"task {task}: option {part!r} has no value; write NAME=VALUE, separated by commas")
        if name in options:
            raise DataError(f"task {task}: option {name!r} is given twice; give it once")
        options[name] = value
    return options


def check_options(task: str, options: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Refuses options that a task does not have.

    Raises:
        DataError: There is one.
    """
    for name in options:
        if name not in known:
            raise DataError(f"task {task} does not have the option {name!r}; available: {', '.join(known) or 'none'}")


def positive_integer(task: str, name: str, text: str) -> int:
    """The value of an option that counts something.

    Raises:
        DataError: It is not an integer above 0.
    """
    if not text.isdecimal() or int(text) < 1:
        raise DataError(f"task {task}: {name}={text} is not an integer of 1 or more")
    return int(text)


def tolerance(task: str, options: Mapping[str, str], default: float) -> float:
    """The value of the option `tolerance`, a share of the output's scale.

    Raises:
        DataError: It is not a number from 0 to 1.
    """
    text = options.get("tolerance")
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise DataError(f"task {task}: tolerance={text} is not a number from 0 to 1, such as 0.05 for 5%")
    return value
