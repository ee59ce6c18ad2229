"""Options by which a run proves that it has the machine to itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossrt.cli.shared.option_types import PercentRange

if TYPE_CHECKING:
    from crossrt.harness.measure.settings import Exclusivity

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def exclusive_options(command: Decorated) -> Decorated:
    """`--exclusive` and its limits."""
    for option in (_MAX_STEAL, _MAX_PRESSURE, _EXCLUSIVE):
        command = option(command)
    return command


_EXCLUSIVE = click.option(
    "--exclusive",
    "is_exclusive",
    is_flag=True,
    help="Keep crossrt runs of all users off this machine, refuse to measure (exit code 75) where it is busy, and"
    " compare a case with itself before and after.",
)
_MAX_PRESSURE = click.option(
    "--max-pressure",
    type=PercentRange(0, 100),
    metavar="PERCENT",
    default="5%",
    show_default=True,
    help="Time in which tasks may wait for a CPU before an --exclusive run begins.",
)
_MAX_STEAL = click.option(
    "--max-steal",
    type=PercentRange(0, 100_000),
    metavar="PERCENT",
    default="1%",
    show_default=True,
    help="Time of one CPU that a hypervisor may take away, likewise.",
)


def exclusivity(*, is_exclusive: bool, max_pressure: float, max_steal: float) -> Exclusivity | None:
    """What was asked for; raises `UsageError` for a limit of what was not."""
    from crossrt.cli.shared.options import is_given
    from crossrt.harness.measure.settings import Exclusivity

    if is_exclusive:
        return Exclusivity(max_pressure=max_pressure, max_steal=max_steal)
    for name in ("max_pressure", "max_steal"):
        if is_given(name):
            raise click.UsageError(f"--{name.replace('_', '-')} is a limit of --exclusive: add that")
    return None
