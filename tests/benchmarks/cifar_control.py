"""Trains a float network further like `crossrt qat` does: what of a gain over float is training, not quantization.

`python tests/benchmarks/cifar_control.py NETWORK DATA EPOCHS RATE` prints top-1 on the test images.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from crossrt.datasets.cifar10.folders import read_images
from crossrt.datasets.cifar10.images import Images, scaled
from crossrt.exporters.tf import environment as environment

import keras  # isort: skip
import tensorflow as tf  # isort: skip

BATCH: Final = 64
SHARE: Final = 0.9
"""Of the training images; `crossrt qat` holds out the rest."""


def step_of(model: Any, rate: float, steps: int) -> Callable[[Any, Any], Any]:
    """A step by Adam; the statistics of BatchNorm stay, as where it is folded."""
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            scores = model(images, training=False)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
        gradients = tape.gradient(loss, [each.value for each in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step


def top1(model: Any, images: Images) -> float:
    """Share of right answers."""
    right = 0
    for at in range(0, len(images.labels), 500):
        part = slice(at, at + 500)
        right += (model(scaled(images.pixels[part])).numpy().argmax(axis=1) == images.labels[part]).sum()
    return float(right / len(images.labels))


def main(network: str, data: str, epochs: int, rate: float) -> None:
    """Trains and prints."""
    keras.utils.set_random_seed(0)
    train, test = read_images(data, "train"), read_images(data, "test")
    model, generator = keras.saving.load_model(network), np.random.default_rng(0)
    kept = generator.permutation(len(train.labels))[: int(SHARE * len(train.labels))]
    step = step_of(model, rate, epochs * -(-len(kept) // BATCH))
    for _ in range(epochs):
        order = generator.permutation(kept)
        for at in range(0, len(order), BATCH):
            chosen = order[at : at + BATCH]
            step(tf.constant(scaled(train.pixels[chosen])), tf.constant(train.labels[chosen].astype(np.int32)))
    print(top1(model, test))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
