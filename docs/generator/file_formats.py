"""The page of saved files and their JSON Schemas, and the keys of configuration files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from crossrt.cli.shared.config import _SHARED
from crossrt.reports.schema.json_schema import duel_json_schema, report_json_schema
from crossrt.reports.schema.records import SCHEMA_VERSION, Duel, Report
from generator.markdown import code, docstring, table


def page() -> str:
    """Markdown."""
    return (
        "# Saved files\n\nReports and A/B comparisons are JSON files, written atomically, of schema version"
        f" {SCHEMA_VERSION}. Older ones are read and converted; newer ones are refused. Schemas of JSON Schema draft"
        " 2020-12: [report](report.schema.json), [duel](duel.schema.json).\n\n"
        f"## report.json\n\n{_record(Report)}\n## duel.json\n\n{_record(Duel)}\n"
        "## Shared keys of crossrt.toml\n\nTables that all commands read; [more](../configuration.md).\n\n"
        + table(("table", "keys"), [(f"`[{name}]`", ", ".join(map(code, keys))) for name, keys in _SHARED.items()])
    )


def schemas() -> Mapping[str, str]:
    """The schema files, by their names in the site."""
    found: dict[str, dict[str, Any]] = {"report": report_json_schema(), "duel": duel_json_schema()}
    return {f"reference/{name}.schema.json": json.dumps(each, indent=2) for name, each in found.items()}


def _record(kind: type[msgspec.Struct]) -> str:
    fields = [(code(each.encode_name), code(_type(each.type))) for each in msgspec.structs.fields(kind)]
    text = docstring(kind.__doc__)
    return text if "| attribute |" in text else text + "\n" + table(("field", "type"), fields)


def _type(kind: object) -> str:
    """A type as it is written, without the modules that it is from."""
    text = kind.__name__ if type(kind) is type or isinstance(kind, msgspec.StructMeta) else str(kind)
    return re.sub(r"\b[a-z_.]+\.(?=[A-Z])", "", text)
