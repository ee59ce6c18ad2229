"""Trains a reference classifier. Runs in a process of its own: `python -m crossrt.datasets.mnist.train`, job on stdin.

The result depends on the seed, the data and the TensorFlow version; two machines may still differ in the last bits.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crossrt.core.events import EventStream, read_job
from crossrt.datasets.mnist import digits as mnist
from crossrt.datasets.reference import TrainingJob
from crossrt.datasets.training import write_bare

if TYPE_CHECKING:
    import keras

BATCH = 128
LEARNING_RATE = 2e-3
LARGEST_SHIFT = 2


def training_digits(source: str) -> mnist.Digits:
    """The training set that a job names.

    Raises:
        DataError: The folder's files are missing or damaged, or the download failed.
    """
    if source == "shipped":
        return mnist.shipped("train")
    if source == "download":
        return mnist.download_training_set()
    return mnist.full_training_set(Path(source))


def shifted(images: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Each image `(28, 28, 1)` moved by up to two pixels in both directions, zeros moving in."""
    margin = LARGEST_SHIFT
    padded = np.pad(images[..., 0], ((0, 0), (margin, margin), (margin, margin)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[1:3], axis=(1, 2))
    rows, columns = generator.integers(0, 2 * margin + 1, (2, len(images)))
    moved: NDArray[np.float32] = windows[np.arange(len(images)), rows, columns][..., np.newaxis]
    return moved


def train(job: TrainingJob, events: EventStream) -> None:
    """Trains the model and writes it to `job.out`, reporting every epoch."""
    import keras

    from crossrt.datasets.mnist.architectures import ARCHITECTURES

    digits, test = training_digits(job.data), mnist.shipped("test")
    keras.utils.set_random_seed(job.seed)
    generator = np.random.default_rng(job.seed)
    model = ARCHITECTURES[job.architecture]()
    _compile(model, steps=job.epochs * -(-len(digits.images) // BATCH))
    images = digits.as_input()
    events.send(
        "started",
        parameters=model.count_params(),
        samples=len(digits.labels),
        validation_samples=len(test.labels),
        epochs=job.epochs,
    )
    for epoch in range(1, job.epochs + 1):
        changed, start = shifted(images, generator), time.monotonic()
        fitted = model.fit(changed, digits.labels, batch_size=BATCH, verbose=0).history
        seconds = time.monotonic() - start
        events.send("validating", epoch=epoch)
        loss, accuracy = model.evaluate(test.as_input(), test.labels, batch_size=500, verbose=0)
        events.send(
            "epoch",
            epoch=epoch,
            loss=fitted["loss"][0],
            metric=fitted["accuracy"][0],
            validation_loss=loss,
            validation_metric=accuracy,
            samples_per_s=len(images) / seconds,
            learning_rate=float(model.optimizer.learning_rate),
            left_s=seconds * (job.epochs - epoch),
            is_best=False,
        )
    write_bare(model, ARCHITECTURES[job.architecture](), Path(job.out))


def _compile(model: keras.Model, *, steps: int) -> None:
    import keras

    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def main() -> int:
    """Reads a job, trains, and reports failures as an event."""
    events = EventStream.take_stdout()
    return events.guard(lambda: train(read_job(sys.stdin, TrainingJob), events))


if __name__ == "__main__":
    sys.exit(main())
