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


def with_islands(folder, images, labels):
    """A model with layers that stay in float, trained by `fit` with learned ranges."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    found = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="silu")(image)
    found = keras.layers.LayerNormalization(name="norm")(found)
    found = keras.layers.AveragePooling2D(2)(keras.layers.Conv2D(8, 3, padding="same", activation="relu")(found))
    gate = keras.layers.Dense(32, activation="sigmoid")(keras.layers.Flatten()(found))
    found = keras.layers.Multiply()([keras.layers.Flatten()(found), gate])
    model = keras.Model(image, keras.layers.Dense(4)(found), name="gated")
    aware = crossrt.quantization_aware(model, images, ranges="learned")
    aware.compile(
        keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    norm = aware.parts.calculations["norm"].island
    before = [each.copy() for each in norm.get_weights()]
    history = aware.fit(images, labels, validation_data=(images, labels), epochs=4, verbose=0).history
    aware.save(folder / "gated.keras")
    again = keras.saving.load_model(folder / "gated.keras")
    answers = [each.predict(images, verbose=0) for each in (aware, again)]
    found = crossrt.export_quantized(aware, folder / "gated", data=images)
    return {
        "accuracy": history["val_accuracy"][-1],
        "is_loaded_alike": bool(np.array_equal(*answers)),
        "has_moved": [bool((one != other).any()) for one, other in zip(before, norm.get_weights(), strict=True)],
        "octaves": [float(each.octaves.numpy()) for each in aware.parts.ranges.values() if hasattr(each, "octaves")],
        "different": len(found.proof.different),
        "within_one": min(each.within_one for each in found.proof.outputs),
    }


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
        "with_islands": with_islands(folder, images, labels),
        "losses": losses,
        "accuracy": float((answers[0].argmax(axis=1) == truth).mean()),
        "is_loaded_alike": bool(np.array_equal(*answers)),
        "different": len(found.proof.different),
        "scales": len(found.proof.tensors),
        "within_one": min(each.within_one for each in found.proof.outputs),
        "files": sorted(each.path.name for each in found.artifacts.values()),
        "are_trained": all(each.training is not None for each in found.artifacts.values()),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
