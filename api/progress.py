"""Progress of the functions of `import crossrt`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossrt.reports.text.progress import Display


@contextmanager
def display_for(*, shows: bool) -> Iterator[Display]:
    """Where progress goes: standard error, or nowhere."""
    from crossrt.reports.text.progress import Silent, Terminal

    if not shows:
        yield Silent()
        return
    from crossrt.reports.text.consoles import message_console

    with Terminal(message_console()) as display:
        yield display
