"""What values of options may be, where click has no type for it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import click

COUNT: Final = click.IntRange(min=1)


class FiniteRange(click.FloatRange):
    """A float within bounds; NaN, which passes every comparison, is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Converts and checks."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class PercentRange(FiniteRange):
    """A share between two bounds in percent, written `2%` or `2`; the value is the share, 0.02."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Converts and checks."""
        number = str(value).strip().removesuffix("%")
        try:
            float(number)
        except ValueError:
            self.fail(f"{str(value)!r} is not a percentage: write it like 2% or 2.", param, ctx)
        return super().convert(number, param, ctx) / 100


class TimeRange(FiniteRange):
    """Seconds between two bounds, written `90`, `90s`, `10m` or `1h`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Converts and checks."""
        from crossrt.harness.errors import HarnessError
        from crossrt.harness.search.request import seconds_in

        try:
            float(value)
        except ValueError:
            try:
                value = seconds_in(value)
            except HarnessError:
                self.fail(f"{value!r} is not a time: write it like 90, 90s, 10m or 1h.", param, ctx)
        return super().convert(value, param, ctx)


class SizesParam(click.ParamType[tuple[int, ...]]):
    """Numbers: `8`, a list `1,2,4`, doublings `1..64`, or a list of those."""

    name = "integers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Reads them all."""
        if isinstance(value, tuple):
            return value
        found: list[int] = []
        for part in str(value).split(","):
            first, dots, last = part.strip().partition("..")
            ends = [self._number(each, value, param, ctx) for each in ((first, last) if dots else (first,))]
            if ends[-1] < ends[0]:
                self.fail(f"{part!r} goes down: write the smaller number first, as {last}..{first}.", param, ctx)
            found += doublings(ends[0], ends[-1])
        return tuple(dict.fromkeys(found))

    def _number(self, text: str, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if not text.isdecimal() or not 1 <= int(text) < 2**31:
            self.fail(
                f"{value!r} is not a valid number above 0, list such as 1,2,4, or range such as 1..64.", param, ctx
            )
        return int(text)


def doublings(first: int, last: int) -> list[int]:
    """`first`, twice that and so on up to `last`, which is always among them."""
    found = [first]
    while (following := 2 * found[-1]) < last:
        found.append(following)
    return found if first == last else [*found, last]


SIZES: Final = SizesParam()


class DimensionParam(click.ParamType[tuple[str, int]]):
    """`NAME=SIZE`."""

    name = "dimension"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Splits at the last `=`."""
        if isinstance(value, tuple):
            return value
        name, sign, size = str(value).rpartition("=")
        if sign and name and size.isdecimal() and int(size) == 0:
            self.fail(f"the size of {name!r} is 0: a dimension has at least 1 element.", param, ctx)
        if not sign or not name or not size.isdecimal() or not 0 < int(size) < 2**31:
            self.fail(f"{value!r} is not written NAME=SIZE, such as seq=128.", param, ctx)
        return name, int(size)


def each_once(
    context: click.Context, parameter: click.Parameter, given: tuple[tuple[str, int], ...]
) -> tuple[tuple[str, int], ...]:
    """Dimensions, none of them twice: the last would win, in silence."""
    sizes = dict[str, int]()
    for name, size in given:
        if sizes.setdefault(name, size) != size:
            raise click.BadParameter(
                f"{name!r} is given twice, as {sizes[name]} and as {size}: give one size.", context, parameter
            )
    return given


class ModelPath(click.Path):
    """The path of a model; an empty one, as an unset variable of a shell gives it, is none."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuses nothing at all, which would be the working folder."""
        if value == "":
            self.fail("the path is empty: give a model file, or a folder that holds one.", param, ctx)
        return super().convert(value, param, ctx)
