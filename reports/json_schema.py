"""The JSON Schema of a report, generated from the types."""

from __future__ import annotations

from typing import Any

import msgspec

from reports.schema import SCHEMA_VERSION, Report


def report_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of report files of the current version."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"crossrt report, schema version {SCHEMA_VERSION}",
        **msgspec.json.schema(Report),
    }
