"""The training loop: epochs with checkpoints, live figures, early stopping; the same result after an interruption."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from msgspec.structs import replace
from numpy.typing import NDArray

from crossrt.core.events import EventStream
from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.engine import engine
from crossrt.exporters.training.qat.checkpoints import Checkpoints, Settings, State, named_variables, restore
from crossrt.exporters.training.qat.curves import write_curves
from crossrt.exporters.training.qat.data import Samples
from crossrt.exporters.training.qat.jobs import Epoch, QatJob, Score
from crossrt.exporters.training.qat.model import Trainable
from crossrt.exporters.training.qat.objective import Objective
from crossrt.exporters.training.qat.scales.settling import settle, settled

CALIBRATION_SAMPLES: Final = 2048
SGD_MOMENTUM: Final = 0.9
_TELL_EVERY_S: Final = 0.5


class Trainer:
    """Trains one model, from the start or from a checkpoint."""

    def __init__(
        self, job: QatJob, trainable: Trainable, objective: Objective, train: Samples, validation: Samples | None
    ) -> None:
        self._job, self._trainable, self._objective = job, trainable, objective
        self._train, self._validation = train, validation
        self._model = trainable.model
        self._steps = -(-len(train) // job.batch_size)
        self._schedule = keras.optimizers.schedules.CosineDecay(job.learning_rate, job.epochs * self._steps)
        self._optimizer = _optimizer(job, self._schedule)
        self._optimizer.build(self._model.trainable_variables)
        self._step = engine().training_step(
            self._loss_of, self._model, self._optimizer, lambda gradients, _: gradients, train.signature
        )
        self._checkpoints = Checkpoints(Path(job.checkpoints))

    def run(self, settings: Settings, float_score: Score | None, events: EventStream) -> State:
        """Trains to the end and leaves the variables of the best epoch in the model.

        Raises:
            ExportError: The loss is not a number, a range never moved, or a checkpoint cannot be written or used.
        """
        if self._job.resumes:
            state, variables = self._checkpoints.latest(settings)
            restore(self._all_variables(), variables, self._job.checkpoints)
            write_curves(state.epochs, Path(self._job.curves))  # a kill may have come before they were written
            events.send("resumed", epoch=state.epochs[-1].epoch)
        else:
            state = State(settings=settings, float_score=float_score, epochs=(self._calibrate(),), best=0)
        self._tell_start(state, events)
        while not self._is_done(state):
            state = self._epoch(state, events)
        if state.best and state.best != state.epochs[-1].epoch:
            restore(self._all_variables(), self._checkpoints.load(state.best)[1], self._job.checkpoints)
        return state

    def _is_done(self, state: State) -> bool:
        number, patience = state.epochs[-1].epoch, self._job.patience
        return number >= self._job.epochs or (patience is not None and number - max(state.best, 1) >= patience)

    def _tell_start(self, state: State, events: EventStream) -> None:
        calibrated = state.epochs[0].validation
        events.send(
            "started",
            samples=len(self._train),
            validation_samples=len(self._validation) if self._validation else 0,
            metric=self._objective.metric,
            task=self._objective.task,
            float_metric=state.float_score.metric if state.float_score else None,
            calibrated_metric=calibrated.metric if calibrated else None,
        )

    def _calibrate(self) -> Epoch:
        """Finds first ranges with the float network, and scores what follows from them."""
        model = self._model
        function = engine().compiled(
            lambda inputs: model(inputs, training=False), model.variables, self._train.signature[:1]
        )
        with self._trainable.calibrating():
            for inputs, _ in self._train.in_order(CALIBRATION_SAMPLES):
                function(inputs)
        self._trainable.check_ranges()
        settle(self._trainable)
        self._trainable.begin()
        return Epoch(
            epoch=0,
            train=None,
            validation=self._validated(),
            learning_rate=self._job.learning_rate,
            metric=self._objective.metric,
        )

    def _validated(self) -> Score | None:
        if self._validation is None:
            return None
        with settled(self._trainable):
            return evaluate(self._model, self._model.variables, self._objective, self._validation)

    def _loss_of(self, inputs: Any, labels: Any) -> tuple[Any, Any]:
        answer, scores = self._model(inputs, training=True)
        loss = ops.mean(self._objective.losses(answer, scores, labels))
        return loss, ops.sum(self._objective.measures(scores, answer, labels))

    def _epoch(self, state: State, events: EventStream) -> State:
        number = state.epochs[-1].epoch + 1
        figures = Figures(number, self._steps, self._job.epochs)
        for step, (inputs, labels) in enumerate(self._train.epoch(self._job.seed, number, self._job.batch_size), 1):
            loss, right = self._step(inputs, labels)
            value = float(loss)
            if not math.isfinite(value):
                raise ExportError(self._exploded(value, step, number))
            figures.add(value, float(right), len(labels))
            if figures.is_due():
                events.send("progress", **figures.told(step, self._rate()))
        trained, speed = figures.score(), round(figures.samples_per_s(), 1)
        if self._validation is not None:
            events.send("validating", epoch=number)
        done = Epoch(
            epoch=number,
            train=trained,
            validation=self._validated(),
            learning_rate=self._rate(),
            samples_per_s=speed,
            metric=self._objective.metric,
        )
        state = self._judged(state, done)
        self._checkpoints.save(state, self._variables())
        write_curves(state.epochs, Path(self._job.curves))
        events.send(
            "epoch",
            epoch=number,
            loss=done.train.loss if done.train else 0.0,
            metric=done.train.metric if done.train else 0.0,
            validation_loss=done.validation.loss if done.validation else None,
            validation_metric=done.validation.metric if done.validation else None,
            learning_rate=done.learning_rate,
            samples_per_s=done.samples_per_s,
            left_s=figures.left_s(number),
            is_best=state.best == number,
        )
        return state

    def _rate(self) -> float:
        return float(self._schedule(self._optimizer.iterations.value))

    def _exploded(self, value: float, step: int, epoch: int) -> str:
        kept = f"the checkpoint of epoch {epoch - 1} is kept" if epoch > 1 else "no epoch was finished"
        return (
            f"the loss is {value} at step {step} of {self._steps} in epoch {epoch}: a smaller --lr may help, or labels"
            f" and outputs of a smaller scale; {kept}"
        )

    def _judged(self, state: State, done: Epoch) -> State:
        """The state after an epoch; without validation samples the last epoch is the best."""
        before = next((each for each in state.epochs if each.epoch == state.best and each.epoch), None)
        is_best = before is None or before.validation is None or done.validation is None
        if not is_best and before is not None and before.validation is not None and done.validation is not None:
            is_best = self._rank(done.validation) > self._rank(before.validation)
        return replace(state, epochs=(*state.epochs, done), best=done.epoch if is_best else state.best)

    def _rank(self, score: Score) -> tuple[float, float]:
        return (score.metric if self._objective.is_higher_better else -score.metric), -score.loss

    def _all_variables(self) -> Mapping[str, Any]:
        found = named_variables(self._model)
        return found | {f"optimizer-{number:04}": each for number, each in enumerate(self._optimizer.variables)}

    def _variables(self) -> Mapping[str, NDArray[Any]]:
        return {name: np.asarray(each.numpy()) for name, each in self._all_variables().items()}


def _optimizer(job: QatJob, schedule: Any) -> Any:
    if job.optimizer == "sgd":
        return keras.optimizers.SGD(schedule, momentum=SGD_MOMENTUM)
    return keras.optimizers.Adam(schedule)


class Figures:
    """Running means of an epoch, and its speed."""

    def __init__(self, epoch: int, steps: int, epochs: int) -> None:
        self._epoch, self._steps, self._epochs = epoch, steps, epochs
        self._loss = self._right = 0.0
        self._samples = 0
        self._started = self._told_at = time.monotonic()

    def add(self, loss: float, right: float, count: int) -> None:
        """Takes in a step."""
        self._loss += loss * count
        self._right += right
        self._samples += count

    def score(self) -> Score:
        """The means so far."""
        return Score(loss=self._loss / self._samples, metric=self._right / self._samples)

    def samples_per_s(self) -> float:
        """How fast it is."""
        return self._samples / max(time.monotonic() - self._started, 1e-9)

    def is_due(self) -> bool:
        """Whether figures should be told again."""
        if time.monotonic() - self._told_at < _TELL_EVERY_S:
            return False
        self._told_at = time.monotonic()
        return True

    def left_s(self, epoch: int) -> float:
        """Seconds until all epochs are over, if all take as long as this one, which has ended."""
        return (self._epochs - epoch) * (time.monotonic() - self._started)

    def told(self, step: int, rate: float) -> dict[str, float]:
        """Fields of an event `progress`."""
        elapsed = time.monotonic() - self._started
        left = (self._steps - step + (self._epochs - self._epoch) * self._steps) * elapsed / step
        score = self.score()
        return {
            "epoch": self._epoch,
            "step": step,
            "steps": self._steps,
            "loss": score.loss,
            "metric": score.metric,
            "learning_rate": rate,
            "samples_per_s": self.samples_per_s(),
            "left_s": left,
        }


def evaluate(model: Any, variables: Sequence[Any], objective: Objective, samples: Samples) -> Score:
    """Scores a model from inputs to `(answer, scores)` with these variables."""

    def work(inputs: Any, labels: Any) -> tuple[Any, Any]:
        answer, scores = model(inputs, training=False)
        losses = objective.losses(answer, scores, labels)
        return ops.sum(losses), ops.sum(objective.measures(scores, answer, labels))

    score = engine().compiled(work, variables, samples.signature)
    loss = right = 0.0
    for inputs, labels in samples.in_order():
        losses, measures = score(inputs, labels)
        loss, right = loss + float(losses), right + float(measures)
    return Score(loss=loss / len(samples), metric=right / len(samples))
