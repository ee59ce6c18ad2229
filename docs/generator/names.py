"""The page of what `import crossrt` gives, from signatures and docstrings."""

from __future__ import annotations

import dataclasses
import inspect

import msgspec

import crossrt
from generator.markdown import docstring, table


def page() -> str:
    """Markdown: functions first, then the types that they take and return."""
    found = {name: getattr(crossrt, name) for name in sorted(crossrt.__all__)}
    functions = {name: each for name, each in found.items() if inspect.isfunction(each)}
    parts = [
        "# Python names\n\nWhat `import crossrt` gives; [From Python](../python.md) shows how it is used. Nothing heavy"
        " is imported before it is needed, and everything that is raised is a `CrossrtError`.\n"
    ]
    parts += [_function(name, each) for name, each in functions.items()]
    parts += [_type(name, each) for name, each in found.items() if name not in functions]
    return "\n".join(parts)


def _function(name: str, function: object) -> str:
    assert callable(function)
    parameters = list(inspect.signature(function).parameters.values())
    lines = "".join(f"    {_parameter(each)},\n" for each in parameters)
    returns = inspect.signature(function).return_annotation
    heading = f"## {name}\n\n```python\n{name}(\n{lines}) -> {returns}\n```\n"
    return f"{heading}\n{docstring(function.__doc__)}"


def _parameter(parameter: inspect.Parameter) -> str:
    mark = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else ""
    default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
    return f"{mark}{parameter.name}: {parameter.annotation}{default}"


def _type(name: str, kind: type) -> str:
    text = docstring(kind.__doc__)
    fields = _fields(kind)
    if fields and "| attribute |" not in text:
        text += "\n" + table(("attribute", ""), [(f"`{each}`", "") for each in fields])
    methods = [
        (f"`{each}`", (inspect.getdoc(found) or "").partition("\n")[0])
        for each, found in vars(kind).items()
        if not each.startswith("_") and (inspect.isfunction(found) or isinstance(found, property)) and found.__doc__
    ]
    return f"## {name}\n\n{text}\n" + (table(("method", ""), methods) if methods else "")


def _fields(kind: type) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [each.name for each in dataclasses.fields(kind)]
    return list(kind.__struct_fields__) if issubclass(kind, msgspec.Struct) else []
