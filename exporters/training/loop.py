"""The loop: epochs with checkpoints and live figures; the same result after an interruption."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from crossrt.core.events import EventStream
from crossrt.datasets.reference import TrainingJob
from crossrt.datasets.training import Course, LabelledPixels, Pixels, Recipe
from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.engine import engine
from crossrt.exporters.training.qat.checkpoints import CheckpointFolder
from crossrt.exporters.training.qat.curves import write_curves
from crossrt.exporters.training.qat.jobs import Epoch, Score
from crossrt.exporters.training.qat.loop import Figures

EVALUATED_AT_ONCE: Final = 500
Batch = tuple[NDArray[np.float32], NDArray[np.int32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is trained, how and on what.

    Attributes:
        job: The job.
        course: What the data set offers.
        recipe: How.
        epochs: How often all images are seen.
        train: Training images.
        test: What is evaluated after each epoch; nothing is chosen by it.
    """

    job: TrainingJob
    course: Course
    recipe: Recipe
    epochs: int
    train: LabelledPixels
    test: LabelledPixels


class Settings(Struct, frozen=True, kw_only=True):
    """What a training must share with the one that it goes on with, so that the result is the same."""

    model: str
    recipe: str
    version_of_recipe: str
    data: str
    epochs: int
    seed: int
    backend: str = "tensorflow"


class State(Struct, frozen=True, kw_only=True):
    """Where a training stands after an epoch.

    Attributes:
        settings: Of the training.
        epochs: The curves so far.
        best: The last epoch: the learning rate falls to zero, so that no epoch is chosen by its score.
        sha256: Hash of the file of variables.
    """

    settings: Settings
    epochs: tuple[Epoch, ...]
    best: int
    sha256: str = ""


class Trainer:
    """Trains one network, from the start or from a checkpoint."""

    def __init__(self, lesson: Lesson) -> None:
        self._lesson, recipe = lesson, lesson.recipe
        self._model = lesson.course.architectures[lesson.job.architecture](None)
        self._sized: Pixels | None = None
        self._steps = -(-len(lesson.train.labels) // recipe.batch_size)
        self._schedule = schedule(recipe, lesson.epochs * self._steps)
        self._optimizer = keras.optimizers.SGD(self._schedule, momentum=recipe.momentum, nesterov=recipe.is_nesterov)
        self._optimizer.build(self._model.trainable_variables)
        self._checkpoints = CheckpointFolder(Path(lesson.job.checkpoints), State)
        channels = lesson.train.pixels.shape[-1]
        signature = [
            ((None, None, None, channels), "float32"),
            ((None,), "int32"),
        ]
        self._step = engine().training_step(self._loss_of, self._model, self._optimizer, self._decayed, signature)
        self._score = engine().compiled(self._evaluate_on, self._model.variables, signature)

    def run(self, events: EventStream) -> Any:
        """Trains to the end and returns the Keras model.

        Raises:
            ExportError: The loss is not a number, or a checkpoint cannot be written or used.
        """
        lesson = self._lesson
        settings = Settings(
            model=lesson.job.architecture,
            recipe=lesson.job.recipe,
            version_of_recipe=hashlib.sha256(str(dataclasses.replace(lesson.recipe, note="")).encode()).hexdigest(),
            data=f"{lesson.train.fingerprint[:32]}{lesson.test.fingerprint[:32]}",
            epochs=lesson.epochs,
            seed=lesson.job.seed,
            backend=keras.backend.backend(),
        )
        if lesson.job.resumes:
            state, variables = self._checkpoints.latest(settings)
            self._restore(variables)
            write_curves(state.epochs, Path(lesson.job.curves))  # a kill may have come before they were written
            last = state.epochs[-1].validation
            events.send("resumed", epoch=state.best, validation_metric=last.metric if last else 0.0)
        else:
            state = State(settings=settings, epochs=(), best=0)
        events.send(
            "started",
            samples=len(lesson.train.labels),
            validation_samples=len(lesson.test.labels),
            epochs=lesson.epochs,
            parameters=int(self._model.count_params()),
        )
        while state.best < lesson.epochs:
            state = self._epoch(state, events)
        return self._model

    def _loss_of(self, images: Any, labels: Any) -> tuple[Any, Any]:
        scores = self._model(images, training=True)
        return ops.mean(self._losses(scores, labels, self._lesson.recipe.label_smoothing)), _right(scores, labels)

    def _decayed(self, gradients: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
        recipe = self._lesson.recipe
        return [
            gradient + recipe.weight_decay * each.value if recipe.decays_all or len(each.shape) > 1 else gradient
            for gradient, each in zip(gradients, variables, strict=True)
        ]

    def _evaluate_on(self, images: Any, labels: Any) -> tuple[Any, Any]:
        scores = self._model(images, training=False)
        return ops.sum(self._losses(scores, labels, 0.0)), _right(scores, labels)

    def _losses(self, scores: Any, labels: Any, smoothing: float) -> Any:
        if not smoothing:
            return ops.sparse_categorical_crossentropy(labels, scores, from_logits=True)
        classes = scores.shape[-1]
        spread = ops.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
        return ops.categorical_crossentropy(spread, scores, from_logits=True)

    def _epoch(self, state: State, events: EventStream) -> State:
        lesson, number = self._lesson, state.best + 1
        figures = Figures(number, self._steps, lesson.epochs)
        for step, (images, labels) in enumerate(batches(lesson, self._pixels(number), number), 1):
            loss, right = self._step(images, labels)
            value = float(loss)
            if not math.isfinite(value):
                kept = f"the checkpoint of epoch {number - 1} is kept" if number > 1 else "no epoch was finished"
                raise ExportError(
                    f"the loss is {value} at step {step} of {self._steps} in epoch {number}: another --seed may do"
                    f" better; {kept}"
                )
            figures.add(value, float(right), len(labels))
            if figures.is_due():
                events.send("progress", **figures.told(step, self._rate()))
        speed = figures.samples_per_s()
        events.send("validating", epoch=number)
        train, validation = figures.score(), self._validated()
        done = Epoch(
            epoch=number,
            train=train,
            validation=validation,
            learning_rate=self._rate(),
            samples_per_s=round(speed, 1),
        )
        state = replace(state, epochs=(*state.epochs, done), best=number)
        self._checkpoints.save(state, {name: np.asarray(each.numpy()) for name, each in self._variables().items()})
        write_curves(state.epochs, Path(lesson.job.curves))
        events.send(
            "epoch",
            epoch=number,
            loss=train.loss,
            metric=train.metric,
            validation_loss=validation.loss,
            validation_metric=validation.metric,
            learning_rate=done.learning_rate,
            samples_per_s=done.samples_per_s,
            left_s=(lesson.epochs - number) * len(lesson.train.labels) / speed,
            is_best=False,
        )
        return state

    def _pixels(self, epoch: int) -> Pixels:
        side = side_of(self._lesson.recipe, self._lesson.train.pixels.shape[1], epoch, self._lesson.epochs)
        if self._sized is None or self._sized.shape[1] != side:
            self._sized = self._lesson.course.resized(self._lesson.train.pixels, side)
        return self._sized

    def _validated(self) -> Score:
        test, loss, right = self._lesson.test, 0.0, 0.0
        for start in range(0, len(test.labels), EVALUATED_AT_ONCE):
            part = slice(start, start + EVALUATED_AT_ONCE)
            images, labels = self._lesson.course.scaled(test.pixels[part]), test.labels[part].astype(np.int32)
            losses, rights = self._score(images, labels)
            loss, right = loss + float(losses), right + float(rights)
        return Score(loss=loss / len(test.labels), metric=right / len(test.labels))

    def _rate(self) -> float:
        return float(self._schedule(self._optimizer.iterations.value))

    def _variables(self) -> Mapping[str, Any]:
        found = {f"model-{number:04}": each for number, each in enumerate(self._model.variables)}
        return found | {f"optimizer-{number:04}": each for number, each in enumerate(self._optimizer.variables)}

    def _restore(self, values: Mapping[str, NDArray[Any]]) -> None:
        variables = self._variables()
        if {name: tuple(each.shape) for name, each in variables.items()} != {n: a.shape for n, a in values.items()}:
            raise ExportError(
                f"the checkpoint in {self._lesson.job.checkpoints} holds other variables than this network: choose"
                " another --out"
            )
        for name, each in variables.items():
            each.assign(values[name])


def schedule(recipe: Recipe, steps: int) -> Callable[[Any], Any]:
    """The learning rate by the number of the step: up along a line, then down to zero along a cosine."""
    rising = round(recipe.warm_up * steps)
    falling = {"warmup_target": recipe.rate, "warmup_steps": rising} if rising else {}
    found: Callable[[Any], Any] = keras.optimizers.schedules.CosineDecay(
        0.0 if rising else recipe.rate, steps - rising, **falling
    )
    return found


def side_of(recipe: Recipe, full: int, epoch: int, epochs: int) -> int:
    """The side of the images in an epoch, counted from 1."""
    return recipe.small_side if recipe.small_side and epoch <= round(recipe.small_share * epochs) else full


def batches(lesson: Lesson, pixels: Pixels, epoch: int) -> Iterator[Batch]:
    """The changed images of an epoch, which follow from the seed and its number alone.

    Args:
        lesson: What is trained.
        pixels: Its training images, of the size that this epoch sees.
        epoch: Counted from 1.
    """
    generator = np.random.default_rng([lesson.job.seed, epoch])
    order, size = generator.permutation(len(pixels)), lesson.recipe.batch_size
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        changed = lesson.course.augmented(pixels[chosen], generator)
        yield lesson.course.scaled(changed), lesson.train.labels[chosen].astype(np.int32)


def _right(scores: Any, labels: Any) -> Any:
    return ops.sum(ops.cast(ops.equal(ops.argmax(scores, axis=-1), labels), "float32"))
