"""The JSON Schemas of saved files, generated from the types."""

from __future__ import annotations

from typing import Any

import msgspec

from crossrt.reports.schema.records import SCHEMA_VERSION, Duel, Report


def report_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of report files of the current version."""
    return _schema("report", Report)


def duel_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of files of A/B comparisons of the current version."""
    return _schema("duel", Duel)


def _schema(name: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"crossrt {name}, schema version {SCHEMA_VERSION}",
        **msgspec.json.schema(kind),
    }
