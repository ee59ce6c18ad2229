"""The curves of a training as JSON lines, written anew after each epoch: the file is whole at any time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from crossrt.core.errors import parsing_problem
from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.qat.jobs import Epoch


def write_curves(epochs: Sequence[Epoch], path: Path) -> None:
    """Writes a line for each epoch.

    Raises:
        ExportError: There is no room.
    """
    half_written = path.with_name(f".{path.name}.partial")
    try:
        half_written.write_bytes(msgspec.json.Encoder().encode_lines(epochs))
        half_written.replace(path)
    except OSError as error:
        half_written.unlink(missing_ok=True)
        raise ExportError(
            f"{path} cannot be written ({error.strerror or error}): make room and go on with --resume"
        ) from error


def read_curves(path: Path) -> tuple[Epoch, ...]:
    """The lines of such a file; one at the end that is only half written, by whatever copied the file, is left out.

    Raises:
        ExportError: It is damaged.
    """
    lines, _ = _lines(path)
    decoder, found = msgspec.json.Decoder(Epoch), []
    for number, line in lines:
        try:
            found.append(decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ExportError(
                f"{path} does not hold the curves of a training (line {number}: {parsing_problem(error)})"
            ) from error
    return tuple(found)


def half_written_line(path: Path) -> int | None:
    """The number of a last line that `read_curves` leaves out, or None.

    Raises:
        ExportError: The file cannot be read.
    """
    return _lines(path)[1]


def _lines(path: Path) -> tuple[list[tuple[int, bytes]], int | None]:
    """Whole lines with their numbers, from 1, and the number of a half-written one after them."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from error
    lines = [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    if lines and lines[-1][1].startswith(b"{"):
        try:
            msgspec.json.decode(lines[-1][1])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return lines[:-1], lines[-1][0]
    return lines, None
