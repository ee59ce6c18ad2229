"""Trains, checks what came of it, and writes the folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from crossrt.core.artifact import ModelArtifact, Training
from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation
from crossrt.core.install import Backend
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.core.metric import MetricDefinition
from crossrt.datasets.opening import DataRequest, runs_code
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.tasks.choosing import choose_task
from crossrt.exporters.sources.detect import check_source, model_name, source_sha256
from crossrt.exporters.training.qat.checkpoints import Checkpoints
from crossrt.exporters.training.qat.curves import read_curves
from crossrt.exporters.training.qat.data import open_split
from crossrt.exporters.training.qat.jobs import ANSWERS, QatJob
from crossrt.exporters.training.qat.trained import TRAINED
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import write_folder
from crossrt.harness.build.inspecting import inspect_model
from crossrt.harness.build.keras_backend import training_backend
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.answers import Outputs
from crossrt.harness.evaluate.judge import steps_of
from crossrt.harness.process.out import alone_in, check_writable, made_folder
from crossrt.harness.process.packages import BUILDING, check_packages
from crossrt.harness.process.user_data import served
from crossrt.harness.qat.curves import CURVES, write_pictures
from crossrt.harness.qat.float_operators import float_operator_notes
from crossrt.harness.qat.following import Followed, train
from crossrt.harness.qat.proving import answers_of, prove
from crossrt.harness.qat.request import CHECKPOINTS, SCALES, QatRequest, Trained, write_proof
from crossrt.harness.run.prepare import scratch_folder
from crossrt.reports.text.progress import Display

EXPORTING = "crossrt.exporters.training.from_checkpoint"


def run_qat(request: QatRequest, display: Display) -> Trained:
    """Trains a model with fake quantization and writes both files, the float ones, curves and the proof.

    Raises:
        ExportError: The model or the data cannot be used, or training failed.
        HarnessError: The folder cannot be written, packages are missing, or the process broke off.
    """
    check_writable(request.out)
    backend = training_backend()
    check_packages("quantization-aware training, whose files TensorFlow writes on any backend of Keras,", BUILDING)
    kind = check_source(request.model, allow_h5=request.allow_h5)
    with made_folder(request.out, CHECKPOINTS), alone_in(request.out), scratch_folder() as folder:
        _check_checkpoints(request)
        request = _served(request, folder)
        job = _job(request, source_sha256(request.model, kind), folder, backend)
        followed = train(job, display, backend=backend)
        if backend != "tensorflow":  # which converts the files, in a process of its own
            followed.built = train(job, display, EXPORTING, begins=False).built
        return _finish(request, job, followed, display)


def _check_checkpoints(request: QatRequest) -> None:
    if Checkpoints(request.out / CHECKPOINTS).has_any() and not request.resumes:
        raise HarnessError(
            f"{request.out / CHECKPOINTS} holds the checkpoints of a training: if it was interrupted, the same command"
            " with --resume goes on. To train longer or otherwise, start again from the model: choose another --out, or"
            " delete that folder"
        )


def _served(request: QatRequest, folder: Path) -> QatRequest:
    """The same request; data that code gives are read once, in a process of their own."""
    data, validation = request.data, request.validation
    if not any(each is not None and _runs_code(each) for each in (data, validation)):
        return request
    inputs = inspect_model(request.model, allow_h5=request.allow_h5).inputs
    data = served(data, inputs, folder)
    if validation is not None:
        validation = served(validation, inputs, folder, data)
    return dataclasses.replace(request, data=data, validation=validation)


def _runs_code(request: DataRequest) -> bool:
    try:
        return runs_code(request)
    except OSError:  # opening it says why
        return False


def _job(request: QatRequest, sha256: str, folder: Path, backend: Backend) -> QatJob:
    return QatJob(
        model=model_name(request.model),
        source=str(request.model),
        source_sha256=sha256,
        folder=str(folder),
        checkpoints=str(request.out / CHECKPOINTS),
        curves=str(request.out / CURVES),
        data=dataclasses.asdict(request.data),
        validation=None if request.validation is None else dataclasses.asdict(request.validation),
        validation_share=request.validation_share,
        epochs=request.epochs,
        learning_rate=request.learning_rate,
        batch_size=request.batch_size,
        bits=request.bits,
        patience=request.patience,
        seed=request.seed,
        task=request.task,
        ranges=request.ranges,
        optimizer=request.optimizer,
        backend=backend,
        resumes=request.resumes,
        allow_h5=request.allow_h5,
    )


def _finish(request: QatRequest, job: QatJob, followed: Followed, display: Display) -> Trained:
    folder = Path(job.folder)
    built = [read_manifest(folder / item / ARTIFACT_MANIFEST, ModelArtifact) for item in followed.built]
    artifacts = {each.id: each for each in built}
    dataset = _answered(request, built[0])
    answers = answers_of(artifacts, dataset, folder, display)
    evaluations, definitions = _evaluated(artifacts, answers, dataset, followed.task)
    pair = {key: each for key, each in artifacts.items() if each.role == "quantized"}
    proof = prove(pair, answers, folder, folder / TRAINED, folder / ANSWERS, dataset)
    write_folder(Artifacts(artifacts=artifacts), request.out)
    write_proof(proof, request.out / SCALES)
    epochs = read_curves(request.out / CURVES)
    trained = next(each for each in artifacts.values() if each.training is not None)
    undrawn = write_pictures(f"{job.model} {trained.variant}", trained.training or Training(epochs=epochs), request.out)
    later = [*float_operator_notes(followed.notes, pair), *([undrawn] if undrawn else [])]
    return Trained(
        model=job.model,
        folder=request.out,
        metric=followed.metric,
        float_metric=followed.float_metric,
        epochs=epochs,
        best=followed.best,
        artifacts=artifacts,
        evaluations=evaluations,
        definitions=definitions,
        proof=proof,
        notes=(*followed.notes, *later),
        shown_notes=len(followed.notes),
    )


def _answered(request: QatRequest, artifact: ModelArtifact) -> Dataset:
    """The samples that files are compared on: those that were validated on, else those that were trained on."""
    data = dataclasses.asdict(request.data)
    validation = None if request.validation is None else dataclasses.asdict(request.validation)
    split = open_split(data, validation, request.validation_share, request.seed, artifact.inputs)
    return split.validation or split.train


def _evaluated(
    artifacts: Mapping[str, ModelArtifact], answers: Mapping[str, Outputs], dataset: Dataset, task: str
) -> tuple[dict[str, Evaluation], tuple[MetricDefinition, ...]]:
    """Scores of all files; none where the task of the reports cannot score such outputs."""
    reference = next(iter(answers.values()))
    samples = len(next(iter(reference.values())))
    labels = None if dataset.labels is None else dataset.labels[:samples]
    try:
        chosen = choose_task(task, labels, reference).task
        found = {
            key: chosen.evaluate(outputs, labels, reference, steps_of(artifacts[key]))
            for key, outputs in answers.items()
        }
    except DataError:
        return {}, ()
    return found, chosen.metrics
