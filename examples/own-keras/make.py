"""Trains a small Keras classifier and saves test and calibration data: a stand-in for a model and data of your own."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(0)
random = np.random.default_rng(0)

# noisy pictures of a bright bar in one of eight positions
labels = random.integers(0, 8, 4_000)
images = random.normal(0, 1.0, (4_000, 16, 16, 3)).astype(np.float32)
for image, position in zip(images, labels, strict=True):
    image[:, 2 * position : 2 * position + 2] += 0.4

model = keras.Sequential(
    [
        layers.Input((16, 16, 3), name="image"),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(8),
    ]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
model.fit(images[:2_000], labels[:2_000], epochs=3, verbose=2)
model.save("bars.keras")

np.savez("train.npz", image=images[:500])  # what quantizers are calibrated with; no labels are needed
np.savez("test.npz", image=images[2_000:], labels=labels[2_000:])
