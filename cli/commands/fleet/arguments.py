"""What `[fleet] arguments` may hold: options that `crossrt bench` takes, and that leave a job its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import click

from crossrt.core.errors import CrossrtError

_TAKEN: Final[Mapping[str, str]] = {
    "--out": "the plan sets it, so that reports are found",
    "--ci": "the plan sets --out in its place, so that reports are found",
    "--config": "the plan sets it: jobs take the configuration that the plan was made from",
    "--help": "with it nothing is measured",
    "-h": "with it nothing is measured",
}
"""Options that no job may be given, and why."""


def check_arguments(arguments: Sequence[str], config: str) -> None:
    """Refuses what would break every job.

    Args:
        arguments: Those of the table.
        config: What messages call the configuration.

    Raises:
        UsageError: `crossrt bench` does not take them, or the plan sets an option itself.
    """
    try:
        _check(arguments)
    except (click.UsageError, CrossrtError) as error:
        said = error.format_message() if isinstance(error, click.UsageError) else str(error)
        raise click.UsageError(
            f"{config}, table [fleet], arguments: {said.rstrip('.')} (crossrt bench --help lists the options)"
        ) from error


def _check(arguments: Sequence[str]) -> None:
    from crossrt.cli.commands.bench import bench
    from crossrt.harness.measure.scenarios.asked import read_scenarios

    for asked in ("-h", "--help"):  # click keeps the names of the context in which the command first told its help
        if asked in arguments:
            raise click.UsageError(f"{asked} cannot be given: {_TAKEN[asked]}")
    with click.Context(bench, info_name="bench") as context:
        given, left, order = bench.make_parser(context).parse_args(list(arguments))
        named = given.pop("models", ())
        models = [*(named if isinstance(named, tuple | list) else ()), *left]
        if models:
            raise click.UsageError(f"{models[0]!r} is not an option: name models as path of the table [model]")
        for parameter in order:
            name, option = str(parameter.name), parameter.opts[-1]
            if option in _TAKEN:
                raise click.UsageError(f"{option} cannot be given: {_TAKEN[option]}")
            if name in given and not isinstance(parameter.type, click.Path):  # which may be there on the machine alone
                _convert(parameter, given[name], context)
        read_scenarios(given.get("scenarios") or ())


def _convert(parameter: click.Parameter, value: object, context: click.Context) -> None:
    """Raises `BadParameter` where an option does not take its value."""
    try:
        parameter.type_cast_value(context, value)
    except click.BadParameter as error:
        error.ctx, error.param = error.ctx or context, error.param or parameter
        raise
