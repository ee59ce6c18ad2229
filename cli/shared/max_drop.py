"""The option that says what a variant may lose of its accuracy."""

from __future__ import annotations

import re
from typing import Any

import click

from crossrt.cli.shared.option_types import FiniteRange


class DropRange(FiniteRange):
    """A loss between two bounds, written `0.2`, `0.2pp` or `0.2%`."""

    name = "percentage points"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Converts and checks."""
        number = re.sub(r"\s*(pp|%)?\s*$", "", str(value), count=1)
        try:
            float(number)
        except ValueError:
            self.fail(f"{str(value)!r} is not a loss: write it like 0.2, 0.2pp or 0.2%.", param, ctx)
        return super().convert(number, param, ctx)


max_drop_option = click.option(
    "--max-drop",
    type=DropRange(0, 100),
    default="0.2pp",
    show_default=True,
    metavar="LOSS",
    help="What may be lost of the task's first metric against the baseline: 0.2pp of a share such as top-1, or 1% of"
    " any other number. The far end of the interval counts, not the loss that was seen.",
)
