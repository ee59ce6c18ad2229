"""A model for a training loop of the user's own, and both of its files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

from crossrt.core.artifact import ModelArtifact, sha256_of
from crossrt.core.install import BACKENDS
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.exporters.errors import ModelError
from crossrt.exporters.training.qat.jobs import ANSWERS, QatJob
from crossrt.exporters.training.qat.trained import TRAINED
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import write_folder
from crossrt.harness.errors import HarnessError
from crossrt.harness.process.out import check_writable
from crossrt.harness.process.packages import BUILDING, check_packages
from crossrt.harness.qat.following import train
from crossrt.harness.qat.proving import answers_of, prove
from crossrt.harness.qat.request import SCALES, ExportedPair, write_proof
from crossrt.harness.run.prepare import scratch_folder
from crossrt.reports.text.progress import Display

MODULE: Final = "crossrt.exporters.training.own_loop.export"


def check_backend() -> None:
    """Refuses backends of Keras on which nothing can be trained.

    Raises:
        ModelError: Keras is not installed, or runs on one of them.
    """
    try:
        import keras
    except ImportError as error:
        raise ModelError(f"Keras cannot be imported ({error}): pip install 'crossrt[export]'") from error
    if (found := keras.backend.backend()) not in BACKENDS:
        raise ModelError(
            f"Keras runs on {found}, on which nothing can be trained: set KERAS_BACKEND to one of {', '.join(BACKENDS)}"
            " before keras is imported; a model that another backend saved can be loaded there"
        )


def export_pair(source: Path, out: Path, data: DataRequest, display: Display) -> ExportedPair:
    """Writes both files and the proof that they are one network.

    Args:
        source: The saved model.
        out: The folder to write.
        data: What the files and the model answer.
        display: Follows it.

    Raises:
        ExportError: The model or the data cannot be used.
        HarnessError: The folder cannot be written, packages are missing, or the process broke off.
    """
    if not source.is_file():
        raise HarnessError(f"{source} is not there, or not a file: give the model, or the .keras file it was saved in")
    check_writable(out)
    check_packages("writing both files, which TensorFlow does whatever backend has trained,", BUILDING)
    with scratch_folder() as folder:
        found = train(_job(source, folder, data), display, MODULE)
        built = [read_manifest(folder / item / ARTIFACT_MANIFEST, ModelArtifact) for item in found.built]
        artifacts = {each.id: each for each in built}
        dataset = open_dataset(data, built[0].inputs)
        answers = answers_of(artifacts, dataset, folder, display)
        proof = prove(artifacts, answers, folder, folder / TRAINED, folder / ANSWERS, dataset)
        write_folder(Artifacts(artifacts=artifacts), out)
        write_proof(proof, out / SCALES)
    moved = {key: dataclasses.replace(each, path=out / key) for key, each in artifacts.items()}
    return ExportedPair(folder=out, artifacts=moved, proof=proof)


def _job(source: Path, folder: Path, data: DataRequest) -> QatJob:
    """What is to be done; name and bits are those of the model."""
    return QatJob(
        model=source.stem,
        source=str(source),
        source_sha256=sha256_of(source),
        folder=str(folder),
        checkpoints="",
        curves="",
        data=dataclasses.asdict(data),
        validation=None,
        validation_share=0.0,
        epochs=0,
        learning_rate=0.0,
        batch_size=1,
        bits=8,
        patience=None,
        seed=0,
        task=None,
    )
