"""Options from a TOML file: the same names as on the command line, which wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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
        option = options[key]
        is_list = isinstance(option, click.Option) and option.multiple
        defaults[str(option.name)] = [value] if is_list and not isinstance(value, list) else value
    context.default_map = defaults


def _read_table(path: Path, command: str) -> dict[str, Any]:
    import tomllib

    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
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
