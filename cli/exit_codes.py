"""What the `crossrt` command exits with, where it is not what an error carries (`core/errors.py`)."""

from __future__ import annotations

from typing import Final

WRONG: Final = 2
"""Bad input or usage, and output that was lost."""

UNJUDGED: Final = 3
"""A search whose time was over before anything was judged."""

DEFECT: Final = 70
"""EX_SOFTWARE of sysexits.h: a defect of crossrt, never to be taken for a verdict."""

INTERRUPTED: Final = 130
"""What a shell reports of a process that Ctrl-C ended."""

OUTPUT_CLOSED: Final = 141
"""What a shell reports of a process that a closed pipe ended."""
