"""Options from a TOML file: the same names as on the command line, which wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from crossrt.harness.cli.commands.options import PercentRange

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def config_option() -> Callable[[Decorated], Decorated]:
    """The `--config FILE` option: reads the table that has the command's name into the defaults."""
    return click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_apply,
        help="TOML file with the same options, in a table named like the command.",
    )


def _apply(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    table = _read_table(path, str(context.info_name))
    options = {name: option for option in context.command.params for name in _names(option)}
    defaults = {}
    for key, value in table.items():
        if key not in options:
            raise click.BadParameter(f"{path} sets {key!r}{_nearest(key, list(options))}", context, parameter)
        defaults[str(options[key].name)] = _default(options[key], value, f"{path} sets {key} to {value!r}")
    context.default_map = defaults


def _default(option: click.Parameter, value: object, said: str) -> object:
    """A value of a table as the text that the command line would have held, so that click checks it like one."""
    if isinstance(option, click.Option) and option.multiple:
        values = value if isinstance(value, list) else [value]
        if not values:
            raise click.UsageError(f"{said}: an empty list selects nothing, leave the line out")
        return [_text(option, each, said) for each in values]
    return _text(option, value, said)


def _text(option: click.Parameter, value: object, said: str) -> object:
    if isinstance(option, click.Option) and option.is_flag:
        if not isinstance(value, bool):
            raise click.UsageError(f"{said}: true or false is wanted")
        return value
    is_number = isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
    wanted = (int, float) if is_number else str
    if isinstance(option.type, PercentRange) and isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, wanted) or "\0" in str(value):
        raise click.UsageError(f"{said}: {'a number' if is_number else 'text'} is wanted")
    return str(value)


def _read_table(path: Path, command: str) -> dict[str, Any]:
    import tomllib

    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise click.UsageError(f"{path} is not valid TOML: {error}") from error
    table = tables.get(command)
    if not isinstance(table, dict):
        raise click.UsageError(f"{path} has no table [{command}]")
    return table


def _names(option: click.Parameter) -> list[str]:
    return [name.removeprefix("--") for name in option.opts if name.startswith("--") and name != "--config"]


def _nearest(key: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1)
    return (
        f", which is no option; did you mean {near[0]!r}?"
        if near
        else f", which is none of: {', '.join(sorted(known))}"
    )
