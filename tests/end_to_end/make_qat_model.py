"""Makes a small classifier that is not trained well, with data: `python make_qat_model.py FOLDER`."""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers


def main(folder):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 1200)
    images = random.normal(0, 0.6, (1200, 8, 8, 1)).astype(np.float32)
    for label in range(4):  # a bright quarter of the image is the class
        row, column = divmod(label, 2)
        images[labels == label, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 1
    image = keras.Input((8, 8, 1), name="image")
    found = layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    found = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(found))
    found = layers.Add()([found, layers.DepthwiseConv2D(3, padding="same", activation="relu")(found)])
    found = layers.Dropout(0.2)(layers.Flatten()(layers.MaxPooling2D()(found)))
    model = keras.Model(image, layers.Dense(4, name="scores")(found), name="quarters")
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images[:1000], labels[:1000], epochs=2, verbose=0)
    model.save(folder / "quarters.keras")
    np.savez(folder / "train.npz", image=images[:1000], labels=labels[:1000])
    np.savez(folder / "test.npz", image=images[1000:], labels=labels[1000:])
    np.savez(folder / "huge.npz", image=images[:300], labels=np.full((300, 4), 1e30, np.float32))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
