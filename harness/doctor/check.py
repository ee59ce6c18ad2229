"""One property of the machine: found, required, and how to get it; and how the kernel's files are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["ok", "warn", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One property of the machine.

    Attributes:
        name: What was looked at.
        outcome: `unknown` where the system does not tell, as in most virtual machines.
        found: What was found.
        required: What a steady measurement needs.
        fix: How to get it, where it is not so.
    """

    name: str
    outcome: Outcome
    found: str
    required: str
    fix: str = ""


def read_text(path: Path) -> str | None:
    """A small file, or None where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None
