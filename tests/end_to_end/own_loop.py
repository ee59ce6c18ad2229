"""A training loop of one's own: `python own_loop.py FOLDER`; prints what a test looks at as JSON."""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

import crossrt


def main(folder):
    with np.load(folder / "train.npz") as train, np.load(folder / "test.npz") as test:
        images, labels = train["image"][:400], train["labels"][:400]
        unseen, truth = test["image"], test["labels"]
    aware = crossrt.quantization_aware(keras.saving.load_model(folder / "quarters.keras"), images)
    optimizer = keras.optimizers.Adam(1e-3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(some, classes):
        with tf.GradientTape() as tape:
            found = loss(classes, aware(some, training=True))
        gradients = tape.gradient(found, aware.trainable_variables)
        optimizer.apply_gradients(zip(gradients, aware.trainable_variables, strict=True))
        return found

    losses = [float(step(images[at : at + 50], labels[at : at + 50])) for at in range(0, 400, 50)]
    aware.save(folder / "aware.keras")
    again = keras.saving.load_model(folder / "aware.keras")
    answers = [each(unseen, training=False).numpy() for each in (aware, again)]
    found = crossrt.export_quantized(folder / "aware.keras", folder / "own", data=unseen)
    told = {
        "losses": losses,
        "accuracy": float((answers[0].argmax(axis=1) == truth).mean()),
        "is_loaded_alike": bool(np.array_equal(*answers)),
        "different": len(found.proof.different),
        "scales": len(found.proof.tensors),
        "within_one": min(each.within_one for each in found.proof.outputs),
        "files": sorted(each.path.name for each in found.artifacts.values()),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
