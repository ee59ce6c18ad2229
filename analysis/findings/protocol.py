"""How a check is written: a function over a quantized file, registered under a name. One module a family of checks.

A module in `checks` whose functions are marked with `check` is found by itself:

    @check("biases", place=70)
    def biases(file: QuantizedFile) -> Outcome:
        ...

`compare` marks those that need the float file. The place is that in the table of a report.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from crossrt.analysis.audit.record import Check, Finding, Severity
from crossrt.analysis.findings.quantized_file import QuantizedFile
from crossrt.exporters.errors import first_line

_MOST_NAMED: Final = 4
_ORDER: Final[Sequence[Severity]] = ("not checked", "not applicable", "ok", "note", "caution", "wrong")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check says.

    Attributes:
        text: In one line.
        findings: What is not as expected.
        applies: Whether it can be asked of such a file.
        is_checked: False where what the check needs was not given.
    """

    text: str
    findings: Sequence[Finding] = field(default=())
    applies: bool = True
    is_checked: bool = True


Look = Callable[[QuantizedFile], Outcome]
"""A check of a file by itself."""

Compare = Callable[[QuantizedFile, QuantizedFile], Outcome]
"""A check of a quantized file beside the float file that it came from."""

_FOUND: dict[str, tuple[int, Look | None, Compare | None]] = {}


def check(name: str, *, place: int) -> Callable[[Look], Look]:
    """Registers a check.

    Args:
        name: What it is called in reports.
        place: Where it stands in them.
    """

    def register(look: Look) -> Look:
        _FOUND[name] = place, look, None
        return look

    return register


def compare(name: str, *, place: int) -> Callable[[Compare], Compare]:
    """The same for one that needs the float file, and is not done without it."""

    def register(look: Compare) -> Compare:
        _FOUND[name] = place, None, look
        return look

    return register


def not_applicable(text: str) -> Outcome:
    """The outcome where the question cannot be asked.

    Args:
        text: Why.
    """
    return Outcome(text, applies=False)


def run_checks(file: QuantizedFile, original: QuantizedFile | None = None) -> Iterator[Check]:
    """Every check there is, in the order of a report.

    Args:
        file: A quantized file.
        original: The float file that it came from, if known.
    """
    from crossrt.analysis.findings import checks

    for module in pkgutil.iter_modules(checks.__path__):
        importlib.import_module(f"{checks.__name__}.{module.name}")
    file = replace(file, original=original)
    for name, (_, look, beside) in sorted(_FOUND.items(), key=lambda each: each[1][0]):
        try:
            yield _judged(name, _outcome(file, original, look, beside))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # arrays that do not fit each other
            reason = f"{type(error).__name__}: {first_line(error)}"
            yield Check(
                name=name, severity="caution", text=f"cannot be looked at, as the file contradicts itself: {reason}"
            )


def _outcome(file: QuantizedFile, original: QuantizedFile | None, look: Look | None, beside: Compare | None) -> Outcome:
    if look is not None:
        return look(file)
    if beside is not None and original is not None:
        return beside(file, original)
    return Outcome("needs the float file (--float FLOAT_FILE)", is_checked=False)


def _judged(name: str, outcome: Outcome) -> Check:
    least: Severity = "ok" if outcome.applies else "not applicable"
    least = least if outcome.is_checked else "not checked"
    severity = max((each.severity for each in outcome.findings), key=_ORDER.index, default=least)
    return Check(name=name, severity=severity, text=outcome.text, findings=tuple(outcome.findings))


def named(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
