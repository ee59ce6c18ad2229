"""Trains in a process of its own, `python -m crossrt.exporters.training.qat.run`; on TensorFlow, writes both files.

The job comes on standard input, events go to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossrt.core.artifact import Quantization, Training
from crossrt.core.events import EventStream, read_job
from crossrt.datasets.protocol import Arrays, Dataset
from crossrt.exporters.errors import ExportError, ModelError
from crossrt.exporters.jobs import BuildJob, write_artifact
from crossrt.exporters.sources.detect import check_source
from crossrt.exporters.training import environment as environment
from crossrt.exporters.training.qat.jobs import (
    ANSWERS,
    COMPARED_SAMPLES,
    FLOAT_VARIANT,
    STEPS,
    VARIANTS,
    QatJob,
    check_trainable,
)
from crossrt.exporters.variants import Variant

if TYPE_CHECKING:
    from crossrt.exporters.training.qat.checkpoints import Settings, State
    from crossrt.exporters.training.qat.data import Samples, Split
    from crossrt.exporters.training.qat.model import Trainable
    from crossrt.exporters.training.qat.objective import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is known before anything is trained.

    Attributes:
        serving: The float model, or what a model takes and gives that was trained elsewhere.
        network: What it computes.
        split: The data.
        objective: What is learnt; None where that is not known.
        train: Samples that are trained on.
        validation: Samples that are validated on.
        calibration_samples: How many samples gave the ranges, where those of `train` did not.
    """

    serving: Any
    network: Any
    split: Split
    objective: Any
    train: Samples
    validation: Samples | None
    calibration_samples: int | None = None


def run(job: QatJob, events: EventStream) -> None:
    """Trains, and on TensorFlow writes the float files, the quantized ones and what the trained model answers."""
    from crossrt.exporters.training.engine import engine
    from crossrt.exporters.training.qat.loop import Trainer, evaluate

    prepared = prepare(job)
    for note in (*prepared.network.notes, *prepared.train.dataset.notes):
        events.send("note", text=note)
    engine().make_deterministic()
    trainable = build_trainable(job, prepared)
    trainer = Trainer(job, trainable, prepared.objective, prepared.train, prepared.validation)
    float_score = None
    if prepared.validation is not None and not job.resumes:
        variables = prepared.serving.keras_model.variables
        float_score = evaluate(_float_model(prepared), variables, prepared.objective, prepared.validation)
    state = trainer.run(settings_of(job, prepared), float_score, events)
    if unmoved := trainable.unmoved():
        events.send("note", text=f"the ranges of {', '.join(unmoved)} did not move in training")
    events.send("trained", best=state.best, last=state.epochs[-1].epoch)
    if job.backend == "tensorflow":
        export(job, prepared, trainable, training_of(job, prepared, state), events)


def build_trainable(job: QatJob, prepared: Prepared) -> Trainable:
    """The model with fake quantization; its ranges are still empty."""
    import keras

    from crossrt.exporters.training.qat.model import build

    keras.utils.set_random_seed(job.seed)
    return build(prepared.network, job.bits, job.seed, learns_ranges=job.ranges == "learned")


def settings_of(job: QatJob, prepared: Prepared) -> Settings:
    """What a training that goes on with this one must share with it."""
    from crossrt.exporters.training.qat.checkpoints import Settings

    split = prepared.split
    return Settings.of(job, split.data_fingerprint, split.validation_fingerprint, prepared.objective.task)


def training_of(job: QatJob, prepared: Prepared, state: State) -> Training:
    """What manifests say about it."""
    return Training(
        epochs=state.epochs,
        best=state.best,
        samples=len(prepared.train),
        validation_samples=len(prepared.validation or ()),
        batch_size=job.batch_size,
        seed=job.seed,
        float_score=state.float_score,
        backend=job.backend,
    )


def prepare(job: QatJob) -> Prepared:
    """Reads the model and opens the data.

    Raises:
        ModelError: The model cannot be trained.
        DataError: The data cannot be used.
    """
    from crossrt.datasets.parts import whole_of
    from crossrt.exporters.tf.serving import load_serving
    from crossrt.exporters.training.qat.data import fitted, split_of
    from crossrt.exporters.training.qat.objective import objective_for
    from crossrt.exporters.training.qat.reading import read_network

    check_trainable(Path(job.source))
    kind = check_source(Path(job.source), allow_h5=job.allow_h5)
    serving = load_serving(Path(job.source), kind)
    serving.check_weights()
    network = read_network(serving.keras_model, job.source)
    if serving.batching.dimension is None:
        raise ModelError(
            f"{job.source} has a fixed batch: build it with a dynamic one (keras.Input(shape)) to train it"
        )
    split = split_of(job, serving.inputs)
    shape = next(step.shape for step in network.steps if step.name == network.output)
    output = serving.outputs[0].name

    def samples(dataset: Dataset) -> tuple[Objective, Samples]:
        objective, labels = objective_for(dataset.labels, len(dataset), shape, output, job.task)
        return objective, fitted(dataset, serving.inputs, serving.batching, labels)

    whole = whole_of(split.train)  # what is wrong with labels is told by their numbers in the file
    objective_for(whole.labels, len(whole), shape, output, job.task)
    objective, train = samples(split.train)
    validation = None
    if split.validation is not None:
        other, validation = samples(split.validation)
        if other != objective:
            raise ExportError(
                f"the labels of {split.train.name} and of {split.validation.name} are of different kinds: give --task"
            )
    return Prepared(
        serving=serving, network=network, split=split, objective=objective, train=train, validation=validation
    )


def _float_model(prepared: Prepared) -> Callable[..., Any]:
    """The source model as `(answer, scores)`; scores of a final softmax or sigmoid are recovered from its answer."""
    from keras import ops

    from crossrt.exporters.training.qat.graph import Final

    last = prepared.network.steps[-1]
    kind = last.op.kind if isinstance(last.op, Final) else None
    function = prepared.serving.function

    def answer(inputs: Any, training: bool = False) -> tuple[Any, Any]:  # noqa: ARG001
        (found,) = function(*inputs).values()
        if kind == "softmax":
            return found, ops.log(ops.maximum(found, 1e-12))
        if kind == "sigmoid":
            kept = ops.clip(found, 1e-7, 1 - 1e-7)
            return found, ops.log(kept / (1 - kept))
        return found, found

    return answer


def export(job: QatJob, prepared: Prepared, trainable: Trainable, training: Training, events: EventStream) -> None:
    """Writes the quantized files, the float ones of a model that was trained here, and what the model answers.

    Args:
        job: What was asked for.
        prepared: What was known before the training.
        trainable: What was trained.
        training: Of the manifests; without epochs for a model that was trained elsewhere.
        events: What is being written.
    """
    from crossrt.exporters.tf.to_onnx import export_onnx
    from crossrt.exporters.tf.to_tflite import export_tflite
    from crossrt.exporters.training.qat.freezing import freeze
    from crossrt.exporters.training.qat.to_onnx import write_onnx
    from crossrt.exporters.training.qat.to_tflite import write_tflite
    from crossrt.exporters.training.qat.trained import TRAINED, write_trained

    serving, frozen = prepared.serving, freeze(trainable)
    inputs, outputs = serving.inputs, serving.outputs
    name = VARIANTS[job.bits]
    writers: dict[str, tuple[str, Any, Callable[[Path], None]]] = {}
    if training.epochs:
        writers[f"{FLOAT_VARIANT}.onnx"] = ("onnx", None, lambda path: export_onnx(serving, path))
        writers[f"{FLOAT_VARIANT}.tflite"] = ("tflite", None, lambda path: export_tflite(serving, path, None))
    writers |= {
        f"{name}.onnx": ("onnx", "qdq", lambda path: write_onnx(frozen, inputs, outputs, path)),
        f"{name}.tflite": ("tflite", "tflite", lambda path: write_tflite(frozen, inputs, outputs, path)),
    }
    build = BuildJob(
        model=job.model,
        source=job.source,
        source_sha256=job.source_sha256,
        kind="keras",
        folder=job.folder,
        items=tuple(writers),
        recipes={},
    )
    for item, (form, representation, write) in writers.items():
        events.send("building", item=item)
        folder = Path(job.folder) / item
        folder.mkdir()
        record = None if representation is None else _record(job, representation, prepared)
        variant = Variant(name=item.rpartition(".")[0], format="onnx" if form == "onnx" else "tflite")
        told = None if record is None else training
        write_artifact(build, variant, _writing(write, record), folder, (inputs, serving.outputs), told)
        events.send("built", item=item)
    write_trained(frozen, Path(job.folder) / TRAINED)
    _write_answers(job, prepared, trainable)


def _writing(write: Callable[[Path], None], record: Quantization | None) -> Callable[[Path], Quantization | None]:
    def writing(path: Path) -> Quantization | None:
        write(path)
        return record

    return writing


def _record(job: QatJob, representation: Any, prepared: Prepared) -> Quantization:
    return Quantization(
        scheme="static",
        representation=representation,
        activation_type="uint8" if representation == "qdq" else "int8",
        weight_type="int8",
        granularity="per-channel",
        calibration_method="moving-average" if job.ranges == "moving-average" else None,
        calibration_samples=prepared.calibration_samples or len(prepared.train),
        calibration_sha256=None if prepared.calibration_samples else prepared.split.train.fingerprint,
    )


def _write_answers(job: QatJob, prepared: Prepared, trainable: Trainable) -> None:
    """What the fake-quantized model answers: both files are compared with it."""
    import numpy as np
    import tensorflow as tf

    from crossrt.exporters.reference import write_answers
    from crossrt.exporters.training.engine import engine

    serving, samples = prepared.serving, prepared.validation or prepared.train
    first, _ = samples.take(range(min(len(samples), COMPARED_SAMPLES)))
    np.savez(Path(job.folder) / STEPS, **trainable.integers([tf.constant(each) for each in first]))  # type: ignore[arg-type]
    model = trainable.model
    function = engine().compiled(
        lambda inputs: model(inputs, training=False)[0], model.variables, samples.signature[:1]
    )

    def predict(feeds: Arrays) -> Arrays:
        return {serving.outputs[0].name: function([tf.constant(feeds[each.name]) for each in serving.inputs]).numpy()}

    write_answers(
        predict,
        samples.dataset,
        samples.fit,
        (serving.inputs, serving.outputs),
        serving.batching,
        len(samples),
        Path(job.folder) / ANSWERS,
    )


def main() -> int:
    """Reads a job and trains."""
    events = EventStream.take_stdout()
    return events.guard(lambda: run(read_job(sys.stdin, QatJob), events))


if __name__ == "__main__":
    sys.exit(main())
