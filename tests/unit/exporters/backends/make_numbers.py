"""Computes what must not depend on Keras's backend: `python make_numbers.py FOLDER PART`, with KERAS_BACKEND.

A process has one backend alone. Parts are `arithmetic`, `network` and `loop`; writes `PART.npz` and `PART.json`.
"""

import json
import sys
from pathlib import Path

from crossrt.exporters.training import environment as environment

import keras  # isort: skip
import numpy as np  # isort: skip
from keras import layers, ops  # isort: skip

from crossrt.exporters.training.engine import engine
from crossrt.exporters.training.own_loop.model import quantization_aware
from crossrt.exporters.training.qat import arithmetic
from crossrt.exporters.training.qat.graph import Convolution, Pool
from crossrt.exporters.training.qat.grid import affine_of_range, channel_scales
from crossrt.exporters.training.qat.layers import Range
from crossrt.exporters.training.qat.model import build
from crossrt.exporters.training.qat.reading import read_network

RANDOM = np.random.default_rng(0)
UNIT = affine_of_range(0, 255 / 256)
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


class Cases:
    """Functions of arrays that are computed, and differentiated, in one go: compiling takes longer than they do."""

    def __init__(self):
        self.functions, self.values = {}, {}

    def add(self, name, function, *values):
        self.functions[name], self.values[name] = function, values

    def run(self, found):
        """Writes results, and the gradients of their sums with weights, as slopes."""
        holder = Holder(*(ops.convert_to_tensor(each) for values in self.values.values() for each in values))
        optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
        optimizer.build(holder.trainable_variables)

        def computed():
            held = iter(each.value for each in holder.held)
            return {
                name: function(*(next(held) for _ in self.values[name])) for name, function in self.functions.items()
            }

        ask = engine().compiled(lambda _: computed(), holder.variables, [((), "int32")])
        results = {name: np.asarray(ops.convert_to_numpy(each)) for name, each in ask(np.int32(0)).items()}
        found |= results

        def loss_of(_, __):
            shares = [
                ops.sum(each * ops.convert_to_tensor(weights(results[name]))) for name, each in computed().items()
            ]
            return sum(shares[1:], shares[0]), shares[0]

        step = engine().training_step(
            loss_of, holder, optimizer, lambda gradients, _: gradients, [((), "int32"), ((), "int32")]
        )
        step(np.int32(0), np.int32(0))
        momenta = iter([each for each in optimizer.variables if "momentum" in each.path])
        for name, values in self.values.items():
            found |= {f"{name}, slope {place}": -next(momenta).numpy() for place in range(len(values))}


def weights(result):
    return np.cos(np.arange(result.size)).astype(FLOAT).reshape(result.shape)


def exact(tensor, low, high):
    """What has no gradient, with one that is zero."""
    return arithmetic.rounded_activation(tensor, None, *arithmetic.affine_tensors(low, high)) + 0 * tensor


def grids(cases):
    """Activations on their grids, many of them where a bit decides."""
    drawn = RANDOM.lognormal(0, 3, (50, 2)).astype(FLOAT) * RANDOM.choice([-1, 0, 1], (50, 2), p=[0.4, 0.1, 0.5])
    lows, highs = drawn.min(axis=1).astype(FLOAT), drawn.max(axis=1).astype(FLOAT)
    pairs = [arithmetic.affine_tensors(low, high) for low, high in zip(lows, highs, strict=True)]
    affine = np.array([[float(ops.convert_to_numpy(each)) for each in pair] for pair in pairs])
    for name, (low, high) in {"wide": (-3.1, 5.2), "positive": (0.0, 0.011), "pixels": (-1.0, 1.0)}.items():
        grid = affine_of_range(low, high)
        values = near_the_middle(np.arange(-10, 266) - 128 - grid.zero_point, [grid.scale]).ravel()
        values = np.concatenate([values, RANDOM.normal(0, high, 500).astype(FLOAT)])
        ends = (
            np.array(low, FLOAT),
            np.array(high, FLOAT),
        )  # variables, as in a layer: XLA divides by constants inexactly
        cases.add(f"{name} rounded", arithmetic.quantized_activation, values, *ends)
        cases.add(f"{name} learned", arithmetic.learned_activation, values.reshape(2, -1), *ends)
        cases.add(f"{name} exact", exact, values, *ends)
        cases.add(f"{name} fixed", lambda x, grid=UNIT: arithmetic.fixed_activation(x, grid), values)
    return affine


def kernels(cases):
    """Kernels on their grids, likewise, and biases."""
    for bits, most in ((8, 127), (4, 7)):
        scales = channel_scales(RANDOM.lognormal(-4, 2, 6).astype(FLOAT), bits)
        values = near_the_middle(np.arange(-most, most), scales)
        values[0] = most * scales  # the largest of each channel
        values = values[: len(values) // 2 * 2].reshape(1, 2, -1, 6)
        for kind, kernel in (("plain", values), ("deep", values.reshape(1, -1, 2, 3))):
            options = {"bits": bits, "is_depthwise": kind == "deep"}
            cases.add(f"{kind} {bits}", lambda k, o=options: arithmetic.quantized_kernel(k, **o), kernel)
            cases.add(f"{kind} {bits} integers", lambda k, o=options: arithmetic.integer_kernel(k, **o) + 0 * k, kernel)
    bias = (RANDOM.lognormal(0, 3, 400) * RANDOM.choice([-1, 1], 400)).astype(FLOAT)
    unit = RANDOM.lognormal(-12, 3, 400).astype(FLOAT)
    bias[:50] = (RANDOM.integers(-(2**20), 2**20, 50) + 0.5).astype(FLOAT) * unit[:50]
    cases.add("bias", lambda b: arithmetic.integer_bias(ops.stop_gradient(b), unit) + 0 * b, bias)


def steps(cases):
    """What the operators compute of small integers, in which sums are exact; means are not."""
    image = RANDOM.integers(-9, 10, (2, 11, 12, 4)).astype(FLOAT)
    deep, places = ("deep", (3, 3, 4, 2)), {"padding": "same", "strides": (1, 1), "dilation": (1, 1)}
    ways = (places, {**places, "strides": (2, 2)}, {**places, "dilation": (2, 2)}, {**places, "padding": "valid"})
    for name, shape in (("conv", (3, 2, 4, 6)), deep, ("groups", (3, 3, 2, 6))):
        is_depthwise = name == "deep"
        kernel = RANDOM.integers(-9, 10, shape).astype(FLOAT)
        bias = RANDOM.integers(-9, 10, shape[2] * shape[3] if is_depthwise else shape[3]).astype(FLOAT)
        for number, way in enumerate(ways):
            op = Convolution(kernel=kernel, bias=bias, is_depthwise=is_depthwise, **way)
            cases.add(f"{name} {number}", lambda x, k, b, op=op: arithmetic.compute(op, [x], k, b), image, kernel, bias)
    for kind in ("max", "average"):
        for size, strides, padding in (((2, 2), (2, 2), "valid"), ((3, 2), (2, 2), "same"), ((5, 4), (5, 4), "same")):
            op = Pool(kind=kind, size=size, strides=strides, padding=padding)
            cases.add(f"{kind} {size}", lambda x, op=op: arithmetic.compute(op, [x]), image)


def network():
    image = keras.Input((8, 8, 3), name="image")
    found = layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    found = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(found))
    found = layers.Add()([found, layers.DepthwiseConv2D(3, padding="same", activation="relu")(found)])
    found = layers.Dropout(0.2)(layers.Flatten()(layers.MaxPooling2D()(found)))
    return keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(found))


def drawn(shape):
    if len(shape) == 1:
        return RANDOM.uniform(0.5, 1, shape).astype(FLOAT)
    return RANDOM.normal(0, 0.3, shape).astype(FLOAT)


def integers(found):
    """The integers of every layer of a network with the same weights and ranges: exact sums, so equal to the bit."""
    images = RANDOM.normal(0, 1, (64, 8, 8, 3)).astype(FLOAT)
    model = network()
    model.set_weights([drawn(each.shape) for each in model.get_weights()])
    for bits in (8, 4):
        trainable = build(read_network(model, "own"), bits, 0)
        with trainable.calibrating():
            trainable.model([ops.convert_to_tensor(images)], training=False)
        for each in trainable.ranges.values():
            if isinstance(each, Range):  # the last bits of what was seen are those of float sums
                each.ends = tuple(np.round(part, 2) for part in each.ends)
        steps = trainable.integers([ops.convert_to_tensor(images)])
        found |= {f"layer {bits} {name}": each for name, each in steps.items()}


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
        aware.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
        told = aware.fit(images, labels, epochs=4, batch_size=32, verbose=0, validation_data=(images, labels)).history
        scored = aware.evaluate(images, labels, verbose=0, return_dict=True)
        moved = [each.has_moved for each in aware.parts.ranges.values() if isinstance(each, Range)]
        aware.save(folder / "aware.keras")
        again = keras.saving.load_model(folder / "aware.keras")
        same = np.array_equal(again.predict(images, verbose=0), aware.predict(images, verbose=0))
        facts["learned" if ranges else "moving"] = {
            "losses": told["loss"],
            "validated": [told["val_accuracy"][-1], scored["accuracy"]],
            "moved": all(moved),
            "same when loaded": bool(same),
        }
    return facts


def main(folder, part):
    engine().make_deterministic()
    found, facts = {}, {"backend": keras.backend.backend()}
    match part:
        case "arithmetic":
            cases = Cases()
            found["affine"] = grids(cases)
            kernels(cases)
            steps(cases)
            cases.run(found)
        case "network":
            integers(found)
        case "loop":
            facts |= own_loop(folder)
    np.savez(folder / f"{part}.npz", **found)
    (folder / f"{part}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
