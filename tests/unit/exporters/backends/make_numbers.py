"""Computes everything that must not depend on Keras's backend: `python make_numbers.py FOLDER`, with KERAS_BACKEND.

Writes `numbers.npz`, and what a short training came to. Run once for each backend, as a process has one alone.
"""

import json
import sys
from pathlib import Path

from crossrt.exporters.training import environment as environment

import keras  # isort: skip
import numpy as np  # isort: skip
from keras import layers, ops  # isort: skip

from crossrt.exporters.tf.keras_model import keras_serving
from crossrt.exporters.training.engine import engine
from crossrt.exporters.training.own_loop.model import quantization_aware
from crossrt.exporters.training.qat import arithmetic
from crossrt.exporters.training.qat.graph import Convolution, Pool
from crossrt.exporters.training.qat.grid import affine_of_range, channel_scales
from crossrt.exporters.training.qat.model import build
from crossrt.exporters.training.qat.reading import read_network

RANDOM = np.random.default_rng(0)
FLOAT = np.float32


def near_the_middle(integers, scale):
    """Numbers between two integers of a grid, and up to four float32 numbers beside them."""
    middle = ((np.asarray(integers) + 0.5)[:, None] * np.asarray(scale, np.float64)).astype(FLOAT)
    found = [middle]
    for end in (np.inf, -np.inf):
        moved = middle
        for _ in range(4):
            moved = np.nextafter(moved, FLOAT(end))
            found.append(moved)
    return np.concatenate(found)


class Holder(keras.layers.Layer):
    """Variables, and a function of them: as little of a model as a training step takes."""

    def __init__(self, *values):
        super().__init__()
        self.held = [self.add_weight(shape=each.shape, initializer=lambda *_, v=each, **__: v) for each in values]
        self.built = True


def with_gradients(function, *values):
    """What a function gives, compiled, and the gradients of its sum with weights."""
    holder = Holder(*(ops.convert_to_tensor(each) for each in values))
    optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
    optimizer.build(holder.trainable_variables)
    ask = engine().compiled(lambda _: function(*(each.value for each in holder.held)), holder.variables, [((), "int32")])
    found = np.asarray(ops.convert_to_numpy(ask(np.int32(0))))
    weights = np.cos(np.arange(found.size)).astype(FLOAT).reshape(found.shape)

    def work(*_):
        loss = ops.sum(function(*(each.value for each in holder.held)) * ops.convert_to_tensor(weights))
        return loss, loss

    step = engine().training_step(work, holder, optimizer, lambda found, _: found, [((), "int32"), ((), "int32")])
    step(np.int32(0), np.int32(0))
    momenta = [each for each in optimizer.variables if "momentum" in each.path]
    return found, [-each.numpy() for each in momenta]


def grids(found):
    """Activations and kernels on their grids, many of them where a bit decides."""
    ends = RANDOM.lognormal(0, 3, (200, 2)).astype(FLOAT) * RANDOM.choice([-1, 0, 1], (200, 2), p=[0.4, 0.1, 0.5])
    lows, highs = ends.min(axis=1).astype(FLOAT), ends.max(axis=1).astype(FLOAT)
    ask = engine().compiled(arithmetic.affine_tensors, [], [((), "float32"), ((), "float32")])
    pairs = [ask(low, high) for low, high in zip(lows, highs, strict=True)]
    found["affine"] = np.array([[float(ops.convert_to_numpy(each)) for each in pair] for pair in pairs])
    for name, (low, high) in {"wide": (-3.1, 5.2), "positive": (0.0, 0.011), "pixels": (-1.0, 1.0)}.items():
        affine = affine_of_range(low, high)
        values = near_the_middle(np.arange(-10, 266) - 128 - affine.zero_point, [affine.scale]).ravel()
        values = np.concatenate([values, RANDOM.normal(0, high, 500).astype(FLOAT)])
        both = FLOAT(low), FLOAT(high)
        rounded, (slope,) = with_gradients(lambda x, both=both: arithmetic.quantized_activation(x, *both), values)
        found[f"{name} rounded"], found[f"{name} slope"] = rounded, slope
        learned, slopes = with_gradients(
            arithmetic.learned_activation, values.reshape(2, -1), np.array(low, FLOAT), np.array(high, FLOAT)
        )
        found[f"{name} learned"], found[f"{name} slopes near"] = learned, slopes[0]
        found[f"{name} ends near"] = np.array(slopes[1:])
        exact = engine().compiled(
            lambda x, both=both: arithmetic.rounded_activation(x, None, *arithmetic.affine_tensors(*both)),
            *([], [((None,), "float32")]),
        )
        found[f"{name} exact"] = np.asarray(ops.convert_to_numpy(exact(values)))
        fixed, (slope,) = with_gradients(lambda x, a=affine_of_range(0, 255 / 256): arithmetic.fixed_activation(x, a), values)
        found[f"{name} fixed"], found[f"{name} fixed slope"] = fixed, slope


def kernels(found):
    for bits, most in ((8, 127), (4, 7)):
        scales = channel_scales(RANDOM.lognormal(-4, 2, 6).astype(FLOAT), bits)
        values = near_the_middle(np.arange(-most, most), scales)
        values[0] = most * scales  # the largest of each channel
        values = values[: len(values) // 2 * 2].reshape(1, 2, -1, 6)
        for kind, is_depthwise in (("plain", False), ("deep", True)):
            kernel = values if not is_depthwise else values.reshape(1, -1, 2, 3)
            options = {"bits": bits, "is_depthwise": is_depthwise}
            rounded, (slope,) = with_gradients(lambda k, o=options: arithmetic.quantized_kernel(k, **o), kernel)
            integers, _ = with_gradients(lambda k, o=options: arithmetic.integer_kernel(k, **o) + 0 * k, kernel)
            found |= {f"{kind} {bits} rounded": rounded, f"{kind} {bits} slope": slope, f"{kind} {bits} integers": integers}
    bias = (RANDOM.lognormal(0, 3, 400) * RANDOM.choice([-1, 1], 400)).astype(FLOAT)
    unit = RANDOM.lognormal(-12, 3, 400).astype(FLOAT)
    bias[:50] = (RANDOM.integers(-(2**20), 2**20, 50) + 0.5).astype(FLOAT) * unit[:50]
    ask = engine().compiled(arithmetic.integer_bias, [], [((None,), "float32")] * 2)
    found["bias integers"] = np.asarray(ops.convert_to_numpy(ask(bias, unit)))


def steps(found):
    """What the operators compute of small integers, in which sums are exact; means are not."""
    image = RANDOM.integers(-9, 10, (2, 11, 12, 4)).astype(FLOAT)
    for name, shape, is_depthwise in (("conv", (3, 2, 4, 6), False), ("deep", (3, 3, 4, 2), True), ("groups", (3, 3, 2, 6), False)):
        kernel = RANDOM.integers(-9, 10, shape).astype(FLOAT)
        bias = RANDOM.integers(-9, 10, shape[2] * shape[3] if is_depthwise else shape[3]).astype(FLOAT)
        for padding in ("same", "valid"):
            for strides, dilation in (((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 1), (2, 2))):
                op = Convolution(
                    *(), kernel=kernel, bias=bias, strides=strides, padding=padding, dilation=dilation, is_depthwise=is_depthwise
                )
                result = arithmetic.compute(op, [ops.convert_to_tensor(image)], ops.convert_to_tensor(kernel), ops.convert_to_tensor(bias))
                found[f"{name} {padding} {strides} {dilation}"] = ops.convert_to_numpy(result)
    for kind in ("max", "average"):
        for size, strides in (((2, 2), (2, 2)), ((3, 3), (1, 1)), ((3, 2), (2, 2)), ((5, 4), (5, 4))):
            for padding in ("same", "valid"):
                op = Pool(kind=kind, size=size, strides=strides, padding=padding)
                close = " near" if kind == "average" else ""
                found[f"{kind} {size} {strides} {padding}{close}"] = ops.convert_to_numpy(arithmetic.compute(op, [ops.convert_to_tensor(image)]))


def network():
    image = keras.Input((8, 8, 3), name="image")
    found = layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    found = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(found))
    found = layers.Add()([found, layers.DepthwiseConv2D(3, padding="same", activation="relu")(found)])
    found = layers.Dropout(0.2)(layers.Flatten()(layers.MaxPooling2D()(found)))
    return keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(found))


def integers(found, folder):
    """The integers of every layer of a network with the same weights and ranges: exact sums, so equal to the bit."""
    images = RANDOM.normal(0, 1, (64, 8, 8, 3)).astype(FLOAT)
    model = network()
    model.set_weights([RANDOM.normal(0.4, 0.3, each.shape).astype(FLOAT) ** 2 * RANDOM.choice([-1, 1], each.shape) if each.ndim > 1 else RANDOM.uniform(0.5, 1, each.shape).astype(FLOAT) for each in model.get_weights()])
    for bits in (8, 4):
        trainable = build(read_network(model, "own"), bits, 0)
        with trainable.calibrating():
            trainable.model([ops.convert_to_tensor(images)], training=False)
        found |= {f"layer {bits} {name}": each for name, each in trainable.integers([ops.convert_to_tensor(images)]).items()}
        found |= {f"range {bits} {name}": np.concatenate([np.ravel(part) for part in each.ends]) for name, each in trainable.ranges.items() if hasattr(each, "ends")}


def own_loop(folder):
    """A model in a loop of the user's own: it learns with `fit`, and is the same when it was saved and loaded."""
    labels = RANDOM.integers(0, 4, 256)
    images = RANDOM.normal(0, 0.3, (256, 8, 8, 3)).astype(FLOAT)
    for label in range(4):
        row, column = divmod(label, 2)
        images[labels == label, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 1
    keras.utils.set_random_seed(0)
    facts = {}
    for ranges in (False, True):
        aware = quantization_aware(network(), images[:64], 8, 0, learns_ranges=ranges)
        loss = keras.losses.SparseCategoricalCrossentropy()
        aware.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
        history = aware.fit(images, labels, epochs=4, batch_size=32, verbose=0, validation_data=(images, labels)).history
        scored = aware.evaluate(images, labels, verbose=0, return_dict=True)
        moved = [name for name, each in aware.parts.ranges.items() if hasattr(each, "has_moved") and each.has_moved]
        aware.save(folder / "aware.keras")
        again = keras.saving.load_model(folder / "aware.keras")
        same = np.array_equal(again.predict(images, verbose=0), aware.predict(images, verbose=0))
        facts["learned" if ranges else "moving"] = {"losses": history["loss"], "seen": history["val_accuracy"][-1], "accuracy": scored["accuracy"], "moved": len(moved), "same": bool(same)}
    return facts


def main(folder):
    engine().make_deterministic()
    found = {}
    grids(found)
    kernels(found)
    steps(found)
    integers(found, folder)
    np.savez(folder / "numbers.npz", **found)
    keras_serving(network(), "own")
    facts = own_loop(folder)
    (folder / "facts.json").write_text(json.dumps({"backend": keras.backend.backend(), **facts}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
