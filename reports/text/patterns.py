"""How the user selects cases by name."""

from __future__ import annotations

from fnmatch import fnmatchcase

from crossrt.reports.schema.records import Result


def matches(pattern: str, name: str, *parts: str) -> bool:
    """True if a shell pattern fits a name or one of its parts as a whole, or a plain text is contained in the name."""
    if any(sign in pattern for sign in "*?["):
        return any(fnmatchcase(each, pattern) for each in (name, *parts))
    return pattern in name


def case_matches(pattern: str, result: Result) -> bool:
    """True if a pattern selects a case: by its id, its subject, its variant and runtime, or its variant alone."""
    variant = result.variant or result.artifact
    return matches(pattern, result.case, result.subject, f"{variant}@{result.runtime}", variant)
