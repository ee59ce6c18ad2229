"""Options from a TOML file: `crossrt.toml`, or `[tool.crossrt]` of `pyproject.toml`; the command line wins.

A table with a command's name holds its options under their own names. `[model]`, `[data]`, `[calibration]` and `[task]`
are shared by all commands that run models; their paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from crossrt.cli.shared.option_types import DimensionParam, PercentRange, SizesParam
from crossrt.cli.shared.options import CONFIGURATION, Configuration
from crossrt.cli.shared.verbosity import note
from crossrt.core.errors import parsing_problem
from crossrt.core.owned import read_regular

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

FILE: Final = "crossrt.toml"
PROJECT_FILE: Final = "pyproject.toml"

_SHARED: Final[Mapping[str, Mapping[str, str]]] = {
    "model": {"path": "models", "dimensions": "dimensions", "allow-h5": "allow_h5", "artifacts": "artifacts"},
    "data": {"path": "data", "labels": "labels", "classes": "classes", "split": "split", "samples": "samples"},
    "calibration": {"path": "calibration"},
    "task": {"name": "task"},
}
"""Keys of the shared tables, and the parameter that each one sets."""

_PATHS: Final = ("models", "artifacts", "data", "labels", "classes", "calibration")


def config_option() -> Callable[[Decorated], Decorated]:
    """The `--config FILE` option; without it, the nearest configuration above the working folder is read."""
    return click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_apply,
        help=f"TOML file with options.  [default: {FILE}, or [tool.crossrt] of {PROJECT_FILE}, if there is one]",
    )


def _apply(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if context.resilient_parsing:
        return
    found = path or nearest()
    if found is None:
        return
    tables = read_tables(found)
    _check_names(tables, context, found)
    command = str(context.info_name)
    if path is not None and not tables.keys() & {command, *_SHARED}:
        raise click.UsageError(f"{path} has no table [{command}], nor any of: {', '.join(_SHARED)}")
    parameters = {str(each.name): each for each in context.command.params}
    defaults = dict(_shared(tables, parameters, found)) | dict(_own(tables, context, parameter, found))
    if defaults and path is None:
        note(f"crossrt: options from {found}")
    context.default_map = defaults
    context.meta[CONFIGURATION] = Configuration(name=_said(found), models=tuple(_models(tables, found)))


def _check_names(tables: Mapping[str, Any], context: click.Context, path: Path) -> None:
    """Refuses what belongs to no command, such as a misspelled table: nothing would come of it."""
    groups = [each.command for each in _lineage(context) if isinstance(each.command, click.Group)]
    if not groups:  # the command was started without the others
        return
    known = set(_SHARED).union(*map(_commands, groups))
    for name in tables:
        if name not in known:
            raise click.UsageError(f"{path} sets {name!r}{_nearest(name, list(known), 'a table that crossrt knows')}")


def _lineage(context: click.Context) -> Iterator[click.Context]:
    """A context and those that it stands in."""
    at: click.Context | None = context
    while at is not None:
        yield at
        at = at.parent


def _commands(group: click.Group) -> set[str]:
    """Names of all commands of a group, those of the groups in it included."""
    inner = (_commands(each) for each in group.commands.values() if isinstance(each, click.Group))
    return set(group.commands).union(*inner)


def _said(path: Path) -> str:
    """A configuration as messages name it."""
    return path.name if path.resolve().parent == Path.cwd() else str(path)


def _models(tables: Mapping[str, Any], path: Path) -> Iterator[Path]:
    """What a configuration names as its model, also for commands whose arguments are other files."""
    for key in ("path", "artifacts"):
        named = tables.get("model", {}).get(key, [])
        for each in named if isinstance(named, list) else [named]:
            yield Path(_beside(path, each))


def nearest() -> Path | None:
    """The configuration of the working folder, or of the nearest folder above it within the same repository."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / FILE).is_file():
            return folder / FILE
        if (folder / PROJECT_FILE).is_file() and "crossrt" in _project_tables(folder / PROJECT_FILE):
            return folder / PROJECT_FILE
        if (folder / ".git").exists():
            return None
    return None


def _project_tables(path: Path) -> Mapping[str, Any]:
    """`[tool]` of a project file; what cannot be read is another tool's to complain about."""
    import tomllib

    try:
        tools = tomllib.loads(read_regular(path).decode()).get("tool", {})
    except (ValueError, RecursionError, OSError):
        return {}
    return tools if isinstance(tools, dict) else {}


def read_tables(path: Path) -> Mapping[str, Any]:
    """All tables of a configuration; raises `UsageError` where it cannot be read."""
    import tomllib

    try:
        tables: Any = tomllib.loads(read_regular(path).decode())
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{path} is not valid TOML: {parsing_problem(error)}") from error
    if path.name == PROJECT_FILE:
        tables = tables.get("tool", {}).get("crossrt", {})
    return tables if isinstance(tables, dict) else {}


def _shared(
    tables: Mapping[str, Any], parameters: Mapping[str, click.Parameter], path: Path
) -> Iterator[tuple[str, object]]:
    """What the shared tables say of the parameters that a command has."""
    for table, keys in _SHARED.items():
        values = tables.get(table, {})
        if not isinstance(values, dict):
            raise click.UsageError(f"{path}: {table} is not a table: write [{table}]")
        for key, value in values.items():
            if key not in keys:
                raise click.UsageError(f"{path} sets {key!r} in [{table}]{_nearest(key, list(keys))}")
            if (parameter := parameters.get(keys[key])) is not None:
                yield keys[key], _shared_value(parameter, value, path, f"{path} sets {key} of [{table}] to {value!r}")


def _shared_value(parameter: click.Parameter, value: object, path: Path, said: str) -> object:
    if isinstance(parameter.type, DimensionParam):
        if not isinstance(value, dict):
            raise click.UsageError(f"{said}: a table of sizes is expected, such as {{seq = 128}}")
        return [f"{name}={size}" for name, size in value.items()]
    if parameter.name not in _PATHS:
        return _default(parameter, value, said)
    if parameter.name != "models":
        return _beside(path, _text(parameter, value, said))
    return [_beside(path, _text(parameter, each, said)) for each in (value if isinstance(value, list) else [value])]


def _beside(config: Path, text: object) -> str:
    """A path relative to the configuration; anything that is not a file there stays as it is."""
    beside = config.parent / str(text)
    name = str(text).rpartition(":")[0]
    return str(beside) if beside.exists() or (name and (config.parent / name).exists()) else str(text)


def _own(
    tables: Mapping[str, Any], context: click.Context, parameter: click.Parameter, path: Path
) -> Iterator[tuple[str, object]]:
    """What the table with the command's name says."""
    table = tables.get(str(context.info_name), {})
    if not isinstance(table, dict):
        raise click.UsageError(f"{path}: {context.info_name} is not a table: write [{context.info_name}]")
    options = {name: option for option in context.command.params for name in _names(option)}
    for key, value in table.items():
        if key not in options:
            raise click.BadParameter(f"{path} sets {key!r}{_nearest(key, list(options))}", context, parameter)
        yield str(options[key].name), _default(options[key], value, f"{path} sets {key} to {value!r}")


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
            raise click.UsageError(f"{said}: true or false is expected")
        return value
    is_number = isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
    expected = (int, float) if is_number else str
    if isinstance(option.type, PercentRange) and isinstance(value, str):
        return value
    if isinstance(option.type, SizesParam):
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise click.UsageError(f"{said}: a whole number is expected, or text such as '1,2,4' or '1..64'")
        return str(value)
    if isinstance(value, bool) or not isinstance(value, expected) or "\0" in str(value):
        raise click.UsageError(f"{said}: {'a number' if is_number else 'text'} is expected")
    return str(value)


def _names(option: click.Parameter) -> list[str]:
    return [name.removeprefix("--") for name in option.opts if name.startswith("--") and name != "--config"]


def _nearest(key: str, known: list[str], kind: str = "an option") -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1)
    return (
        f", which is not {kind}; did you mean {near[0]!r}?"
        if near
        else f", which is none of: {', '.join(sorted(known))}"
    )
