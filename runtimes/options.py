"""Options that a runtime declares: what may be set, to what, and what holds otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crossrt.core.errors import LONGEST_QUOTED, quoted, shortened
from crossrt.core.suggestions import did_you_mean
from crossrt.runtimes.errors import OptionRefusedError

OptionKind = Literal["choice", "count", "text"]
FAMILY = "*"
"""Ends the name of an option that stands for all names that begin like it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOption:
    """An option of a runtime.

    Attributes:
        name: Its name, such as `arena`; `session.*` stands for all names that begin with `session.`.
        help: What it does, as half a sentence.
        default: What holds where it is not set, for readers.
        choices: The values that it may have; none where any may do.
        minimum: The smallest number that it may be, for an option that takes whole numbers; None for other ones.
        maximum: The largest number.
        alias: A longer name that means the same, such as the runtime's own.
    """

    name: str
    help: str
    default: str
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    alias: str | None = None

    @property
    def kind(self) -> OptionKind:
        """What values it takes: one of its choices, a whole number, or any text."""
        if self.choices:
            return "choice"
        return "text" if self.minimum is None else "count"

    @property
    def values(self) -> str:
        """The values that it takes, in words."""
        if self.choices:
            return ", ".join(self.choices)
        if self.minimum is None:
            return "text"
        return f"a whole number from {self.minimum}" + ("" if self.maximum is None else f" to {self.maximum}")

    def means(self, name: str) -> bool:
        """Whether a name is this option's, or belongs to its family."""
        if self.name.endswith(FAMILY):
            prefix = self.name.removesuffix(FAMILY)
            return name.startswith(prefix) and name != prefix
        return name in (self.name, self.alias)

    def settled(self, value: str) -> str | None:
        """The value as it is recorded; None where it is not one of this option's."""
        if self.kind == "choice":
            return value if value in self.choices else None
        if self.minimum is None:
            return value
        if not value.isascii() or not value.isdigit() or len(value) > 18:
            return None
        number = int(value)
        return str(number) if self.minimum <= number <= (number if self.maximum is None else self.maximum) else None


def settled_options(runtime: str, declared: Sequence[RuntimeOption], given: Mapping[str, str]) -> dict[str, str]:
    """What is given for a runtime's options, checked, under their own names and sorted by them.

    Raises:
        OptionRefusedError: The runtime has no such option, a value is not one of the option's, or one is set twice.
    """
    found: dict[str, str] = {}
    for name, value in given.items():
        option = next((each for each in declared if each.means(name)), None)
        if option is None:
            raise OptionRefusedError(_unknown(runtime, declared, name))
        if (settled := option.settled(value)) is None:
            raise OptionRefusedError(f"{runtime}: {_short(name)} must be {_one_of(option)}; found {quoted(value)}")
        own = name if option.name.endswith(FAMILY) else option.name
        if found.setdefault(own, settled) != settled:
            both = f"to {_short(found[own])} and to {_short(settled)}"
            raise OptionRefusedError(f"{runtime}: {_short(own)} is set twice, {both}")
    return dict(sorted(found.items()))


def _short(text: str) -> str:
    return shortened(text, LONGEST_QUOTED)


def _one_of(option: RuntimeOption) -> str:
    return f"one of {option.values}" if option.choices else option.values


def _unknown(runtime: str, declared: Sequence[RuntimeOption], name: str) -> str:
    if not declared:
        return f"{runtime} has no options; found {quoted(name)}"
    names = [each.name for each in declared]
    known = [*names, *(each.alias for each in declared if each.alias is not None)]
    available = f"{', '.join(names)} (crossrt runtimes {runtime} explains them)"
    return f"{runtime} has no option {quoted(name)}{did_you_mean(name, known)}; available: {available}"
