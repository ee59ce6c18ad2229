"""Options that several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


class FiniteRange(click.FloatRange):
    """A float within bounds; NaN, which passes every comparison, is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Converts and checks."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A .keras file that maps (28, 28, 1) digits to 10 scores.  [default: the shipped mnist-cnn]",
)

only_option = click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Only what contains PATTERN in its name, or matches it as a shell pattern. May be repeated.",
)

minimum_agreement_option = click.option(
    "--min-agreement",
    type=FiniteRange(0, 1),
    default=0.99,
    show_default=True,
    help="A variant that agrees with the Keras model on a smaller share of the test digits is a failed row.",
)


def model_path(named: Path | None) -> Path:
    """The model that the user named, or the shipped one."""
    from exporters.keras_model import SHIPPED_MODEL

    return named or SHIPPED_MODEL


def message_console() -> Console:
    """Where progress goes: standard error."""
    from rich.console import Console

    return Console(stderr=True)


def result_console() -> Console:
    """Where results go: standard output; in a log 100 columns wide, unless COLUMNS says otherwise."""
    import os

    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=100)
