"""How a runtime is named where one is chosen: `NAME[==VERSION][:OPTION=VALUE[,OPTION=VALUE...]]`.

Such as `tflite`, `ort-cpu==1.29.0`, `openvino:num_streams=1` or
`ort-cpu==1.29.0:graph_optimization_level=extended,session.x64quantprecision=1`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from crossrt.core.errors import LONGEST_QUOTED, quoted, shortened
from crossrt.runtimes.errors import OptionRefusedError

_OPTION: Final = re.compile(r"[A-Za-z0-9_.-]+")
_VALUE: Final = re.compile(r"[A-Za-z0-9_.:;|+=-]+")
_VERSION: Final = re.compile(r"[A-Za-z0-9.+!_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSelector:
    """A runtime, its version where one is asked for, and values for options that it declares.

    Attributes:
        name: The registered name.
        version: The version that is asked for, or None for the one that is installed.
        options: Values as they are written, by name of the option, sorted by that.
    """

    name: str
    version: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The selector without options."""
        return self.name if self.version is None else f"{self.name}=={self.version}"

    @property
    def text(self) -> str:
        """The selector as it is written: equal for equal selectors."""
        values = ",".join(f"{name}={value}" for name, value in sorted(self.options.items()))
        return f"{self.base}:{values}" if values else self.base


def parse_selector(text: str) -> RuntimeSelector:
    """The selector that a text is; nothing is looked up.

    Raises:
        OptionRefusedError: It is not written like one.
    """
    base, colon, listed = text.partition(":")
    name, equals, version = base.partition("==")
    if not name:
        raise OptionRefusedError(f"{quoted(text)} names no runtime: write NAME, or NAME:OPTION=VALUE")
    short, written = _short(name), _short(base)
    if equals and not _VERSION.fullmatch(version):
        raise OptionRefusedError(f"{quoted(text)} names no version: write {short}==VERSION, such as {short}==1.29.0")
    if colon and not listed:
        raise OptionRefusedError(f"{quoted(text)} names no option: write {written}, or {written}:OPTION=VALUE")
    options = _options(text, listed) if colon else {}
    return RuntimeSelector(name=name, version=version or None, options=dict(sorted(options.items())))


def _options(text: str, listed: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in listed.split(","):
        name, equals, value = each.partition("=")
        if not equals or not _OPTION.fullmatch(name):
            raise OptionRefusedError(
                f"{quoted(text)}: {quoted(each)} is not an option: write OPTION=VALUE, separated by commas"
            )
        if not _VALUE.fullmatch(value):
            said = "has no value" if not value else f"has the value {quoted(value)}"
            said = f"{_short(name)} {said}: write letters, digits and any of _ . : ; | + = -"
            raise OptionRefusedError(f"{quoted(text)}: {said}")
        if found.setdefault(name, value) != value:
            both = f"to {_short(found[name])} and to {_short(value)}"
            raise OptionRefusedError(f"{quoted(text)} sets {_short(name)} twice, {both}")
    return found


def _short(text: str) -> str:
    return shortened(text, LONGEST_QUOTED)
