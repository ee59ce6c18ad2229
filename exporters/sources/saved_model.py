"""SavedModel folders, as TensorFlow and `keras.Model.export` write them. Reading one here needs no TensorFlow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from crossrt.core.artifact import sha256_of
from crossrt.exporters.errors import ModelError

DEFAULT = "serving_default"
_INIT = "__saved_model_init_op"


def is_saved_model(folder: Path) -> bool:
    """True if a folder looks like a SavedModel."""
    return any((folder / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt"))


def files_of(folder: Path) -> list[Path]:
    """All files of the folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def folder_sha256(folder: Path) -> str:
    """Hash of the names and bytes of all files."""
    digest = hashlib.sha256()
    for path in files_of(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def size_bytes(folder: Path) -> int:
    """Size of all files."""
    return sum(path.stat().st_size for path in files_of(folder))


def choose_signature(names: Sequence[str], folder: Path) -> tuple[str, str | None]:
    """The signature that is used, and a note where there were others.

    Raises:
        ModelError: There is none.
    """
    found = [name for name in names if name != _INIT]
    if not found:
        raise ModelError(
            f"{folder} has no signature: save it with model.export('folder') in Keras, or with signatures= in"
            " tf.saved_model.save"
        )
    chosen = DEFAULT if DEFAULT in found else found[0]
    others = [name for name in found if name != chosen]
    return chosen, f"signature {chosen} is used, not {', '.join(others)}" if others else None
