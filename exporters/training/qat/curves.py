"""The curves of a training as JSON lines, written anew after each epoch: the file is whole at any time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

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
    """The lines of such a file.

    Raises:
        ExportError: It is damaged.
    """
    try:
        return tuple(msgspec.json.Decoder(Epoch).decode_lines(path.read_bytes()))
    except (OSError, msgspec.MsgspecError) as error:
        raise ExportError(f"{path} does not hold the curves of a training ({error})") from error
