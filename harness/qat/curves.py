"""Curves of a training as pictures, at its end and later: `curves.jsonl` is all that is needed."""

from __future__ import annotations

from pathlib import Path

from crossrt.core.artifact import ModelArtifact, Training
from crossrt.core.errors import ArtifactError
from crossrt.core.manifest import read_manifest
from crossrt.exporters.training.qat.curves import read_curves
from crossrt.harness.build.exported import MANIFEST_SUFFIX
from crossrt.harness.errors import HarnessError
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import write_together
from crossrt.reports.schema.folders import kept_file

CURVES = "curves.jsonl"


def curves_in(path: Path) -> Path | None:
    """The curves that a path stands for: a file of JSON lines, or a folder that holds one and no report."""
    if path.suffix == ".jsonl":
        return path
    is_training = path.is_dir() and kept_file(path) is None
    return path / CURVES if is_training and (path / CURVES).is_file() else None


def read_training(path: Path) -> tuple[str, Training]:
    """What was trained, and its curves; what else the manifest of a finished training says, if there is one.

    Raises:
        ExportError: The file is damaged.
        HarnessError: It holds no epoch.
    """
    epochs = read_curves(path)
    if not epochs:
        raise HarnessError(f"{path} holds no epoch yet: wait for the first, or name another training")
    for manifest in sorted(path.parent.glob(f"*{MANIFEST_SUFFIX}")):
        try:
            artifact = read_manifest(manifest, ModelArtifact)
        except ArtifactError:
            continue  # an answer of the reference, or of a training before this one
        if artifact.training is not None and artifact.training.epochs == epochs:
            return f"{artifact.model} {artifact.variant}", artifact.training
    return path.resolve().parent.name, Training(epochs=epochs)


def write_pictures(name: str, training: Training, folder: Path) -> str | None:
    """Writes `curves.png` and `curves.svg` into the folder of a training; returns why not, where it cannot.

    A training is not in vain for lack of a picture: none is drawn where matplotlib is missing.
    """
    try:
        from crossrt.reports.page.plots.training import Trained
        from crossrt.reports.page.training import picture_files

        files = picture_files(Trained(names=(name,), training=training), folder, ("png", "svg"))
        write_together({path: (content,) for path, content in files.items()})
    except ReportError as error:
        return f"the curves were not drawn: {error}; later: crossrt report {folder} --png {folder}"
    return None
