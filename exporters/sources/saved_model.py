"""SavedModel folders, as TensorFlow and `keras.Model.export` write them. Reading one here needs no TensorFlow."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from crossrt.core.artifact import serving_signature, sha256_of
from crossrt.core.manifest import ARTIFACT_MANIFEST
from crossrt.core.owned import open_regular
from crossrt.exporters.errors import ModelError

GRAPHS = ("saved_model.pb", "saved_model.pbtxt")


def is_saved_model(folder: Path) -> bool:
    """True if a folder looks like a SavedModel."""
    return any((folder / name).is_file() for name in GRAPHS)


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
    chosen = serving_signature(names)
    if chosen is None:
        raise ModelError(
            f"{folder} has no signature: save it with model.export('folder') in Keras, or with signatures= in"
            " tf.saved_model.save"
        )
    others = [name for name in names if name not in (chosen, "__saved_model_init_op")]
    return chosen, f"signature {chosen} is used, not {', '.join(others)}" if others else None


def graph_name(folder: Path) -> str:
    """The name of the file that holds the graph."""
    return next(name for name in GRAPHS if (folder / name).is_file())


def check_graph(folder: Path) -> None:
    """Raises `ModelError` for a graph without a byte, of which TensorFlow would say that it wants tags."""
    graph = folder / graph_name(folder)
    if graph.stat().st_size == 0:
        raise ModelError(f"{graph} is empty: export the model again")


def names_beside(graph: Path) -> tuple[str, ...]:
    """The names of all other files, relative to the folder; a manifest of ours is none of them."""
    names = (path.relative_to(graph.parent).as_posix() for path in files_of(graph.parent))
    return tuple(name for name in names if name not in (graph.name, ARTIFACT_MANIFEST))


def copy(source: Path, folder: Path) -> None:
    """Copies a SavedModel into an artifact's folder.

    Raises:
        OSError: One cannot be read or written.
    """
    graph = source / graph_name(source)
    for name in (graph.name, *names_beside(graph)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with open_regular(source / name) as file, (folder / name).open("wb") as target:
            shutil.copyfileobj(file, target)
