"""How the user selects cases by name."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches(pattern: str, name: str, *parts: str) -> bool:
    """True if a shell pattern fits a name or one of its parts as a whole, or a plain text is contained in the name."""
    if any(sign in pattern for sign in "*?["):
        return any(fnmatchcase(each, pattern) for each in (name, *parts))
    return pattern in name


def case_matches(pattern: str, case: str) -> bool:
    """True if a pattern selects the case `<model>.<variant>@<runtime>/b<batch>/t<threads>`."""
    subject = case.partition("/")[0]
    short = subject.partition(".")[2] or subject
    return matches(pattern, case, subject, short, short.partition("@")[0])
