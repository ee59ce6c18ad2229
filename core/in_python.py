"""What crossrt says, in the words of its Python interface: messages name options of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_NAMES: Final = {"min_agreement": "minimum_agreement", "dim": "dimensions", "runtime": "runtimes", "recipe": "recipes"}
_COMMANDS: Final = "bench|compare|duel|inspect|quantize"

_Said = str | Callable[[re.Match[str]], str]


def _patterns(match: re.Match[str]) -> str:
    return f"only={match[1].split()} "


def _dimensions(match: re.Match[str]) -> str:
    return f'dimensions={{"{match[1]}": {match[2]}}}'


def _name(match: re.Match[str]) -> str:
    plain = match[1].replace("-", "_")
    return _NAMES.get(plain, plain)


_RULES: Final[tuple[tuple[str, _Said], ...]] = (
    (r"or give --allow-h5", "or give the model object that keras.models.load_model makes of it"),
    (r"--classes cat,dog or --classes FILE with one name a line, or an array", "an array"),
    (r", as `classes` in the data or --classes$", ", as `classes` in the data"),
    (r"--only (.+?) (?=selects|fits)", _patterns),
    (r"--dim '?([^\s'=]+)=(\w+)'?", _dimensions),
    (r"--(data|calibration) DATA", r"\1=..."),
    (r"--(batch|samples|threads|seed|time) (\d+)", r"\1=\2"),
    (r"--task (classification|regression|multilabel|agreement)", r'task="\1"'),
    (r"--baseline (\S+)", r'baseline="\1"'),
    (rf"crossrt ({_COMMANDS}) --artifacts (\S+?)(?=[\s),;]|$)", r'crossrt.\1("\2")'),
    (rf"crossrt ({_COMMANDS}) ([A-Z]+)", r"crossrt.\1(\2)"),
    (rf"crossrt ({_COMMANDS})\b(?![.(])", r"crossrt.\1"),
    (r"--([a-z][a-z0-9-]*)", _name),
)
"""In this order. What follows `-m pip` is a command for a shell, and stays."""


def in_python(text: str) -> str:
    """A message with arguments in place of options, and functions in place of commands."""
    said, pip, command = text.partition(" -m pip ")
    for pattern, replacement in _RULES:
        said = re.sub(rf"(?<![\w-]){pattern}", replacement, said)
    return f"{said}{pip}{command}"
