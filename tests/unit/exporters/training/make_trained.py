"""Trains small networks with and without an interruption: `python make_trained.py FOLDER`.

All in one process, as TensorFlow starts slowly. Writes `facts.json`, and checkpoints and curves in folders.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from crossrt.exporters.tf import environment as environment

import keras  # isort: skip
import numpy as np  # isort: skip
import tensorflow as tf  # isort: skip

from crossrt.core.errors import CrossrtError
from crossrt.datasets.cifar10.course import COURSE
from crossrt.datasets.reference import TrainingJob
from crossrt.datasets.training import LabelledPixels, Recipe
from crossrt.exporters.training.loop import Lesson, Trainer, schedule
from crossrt.exporters.training.run import course_of, write_model

RECIPE = Recipe(
    epochs=3,
    rate=0.1,
    warm_up=0.2,
    weight_decay=1e-3,
    label_smoothing=0.1,
    batch_size=16,
    small_side=16,
    small_share=0.4,
)


class KilledError(Exception):
    """Stands for a kill right after an epoch."""


class Events:
    """Keeps events, and breaks off after an epoch."""

    def __init__(self, last=None):
        self.last, self.all = last, []

    def send(self, event, **fields):
        self.all.append({"event": event, **fields})
        if event == "epoch" and fields["epoch"] == self.last:
            raise KilledError


def tiny(side=None):
    """A network with all that the large ones have, in little."""
    image = keras.Input((side, side, 3), name="image")
    found = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(image)
    found = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(found))
    found = keras.layers.GlobalAveragePooling2D()(found)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(found))


def pixels(count, seed):
    """Images whose label is how bright they are, with noise."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    noise = generator.integers(-10, 10, (count, 32, 32, 3))
    found = np.clip(25 * labels[:, None, None, None] + noise, 0, 255).astype(np.uint8)
    return LabelledPixels(name="bright", pixels=found, labels=labels, fingerprint=str(seed) * 64)


def lesson(folder, recipe=RECIPE, **changed):
    job = TrainingJob(
        architecture="tiny",
        data="",
        out=str(folder / "tiny.keras"),
        epochs=3,
        seed=4,
        recipe="fast",
        checkpoints=str(folder / "checkpoints"),
        curves=str(folder / "curves.jsonl"),
    )
    course = replace(COURSE, architectures={"tiny": tiny})
    return Lesson(
        job=replace(job, **changed), course=course, recipe=recipe, epochs=3, train=pixels(404, 1), test=pixels(30, 2)
    )


def train(found, last=None):
    keras.utils.set_random_seed(found.job.seed)
    events = Events(last)
    try:
        return Trainer(found).run(events), events.all
    except KilledError:
        return None, events.all


def refusal(work):
    try:
        work()
    except CrossrtError as error:
        return str(error)
    return None


def main(folder):
    tf.config.experimental.enable_op_determinism()
    for name in ("whole", "broken", "other", "exploded"):
        (folder / name).mkdir()
    whole, events = train(lesson(folder / "whole"))
    train(lesson(folder / "broken"), last=1)
    resumed, told = train(lesson(folder / "broken", resumes=True))
    again, at_the_end = train(lesson(folder / "broken", resumes=True))
    write_model(resumed, lesson(folder / "broken"))
    saved = keras.saving.load_model(folder / "broken" / "tiny.keras")
    equal = [
        all(np.array_equal(one, two) for one, two in zip(whole.get_weights(), each.get_weights(), strict=True))
        for each in (resumed, again, saved)
    ]
    train(lesson(folder / "other", seed=5), last=1)
    (folder / "facts.json").write_text(
        json.dumps(
            {
                "events": events,
                "resumed": told,
                "at the end": at_the_end,
                "equal": equal,
                "saved": {
                    "input": list(saved.input_shape),
                    "optimizer": getattr(saved, "optimizer", None) is not None,
                    "names": sorted(each.name for each in (folder / "broken").iterdir()),
                },
                "exploded": refusal(
                    lambda: train(lesson(folder / "exploded", replace(RECIPE, rate=1e30, warm_up=0.0, epochs=3)))
                ),
                "other seed": refusal(lambda: train(lesson(folder / "other", resumes=True))),
                "other recipe": refusal(
                    lambda: train(lesson(folder / "broken", replace(RECIPE, rate=0.2), resumes=True))
                ),
                "no course": refusal(
                    lambda: course_of(replace(lesson(folder).job, course="crossrt.core.errors:DataError"))
                ),
                "parameters": {name: make(None).count_params() for name, make in COURSE.architectures.items()},
                "outputs": {name: list(make(32).output_shape) for name, make in COURSE.architectures.items()},
                "rates": {
                    "warm": [float(schedule(RECIPE, 100)(step)) for step in range(0, 101, 10)],
                    "cold": [float(schedule(replace(RECIPE, warm_up=0.0), 100)(step)) for step in (0, 50, 100)],
                },
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
