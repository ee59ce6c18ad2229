"""Makes small models, freezes them as calibrated, and writes both files: `python make_models.py FOLDER`.

All in one process, as TensorFlow starts slowly. Writes for each model the files, what was trained and what the
fake-quantized model answers, and `refusals.json` with what is said of models that cannot be trained.
"""

import json
import sys
from pathlib import Path

from crossrt.exporters.tf import environment as environment

import keras  # isort: skip
import numpy as np  # isort: skip
import tensorflow as tf  # isort: skip
from keras import layers  # isort: skip

from crossrt.core.errors import CrossrtError
from crossrt.exporters.tf.keras_model import keras_serving
from crossrt.exporters.training.own_loop.describing import described, network_of
from crossrt.exporters.training.qat.arithmetic import integer_kernel, kernel_scales, quantized_kernel
from crossrt.exporters.training.qat.freezing import freeze
from crossrt.exporters.training.qat.grid import affine_of_range, largest_integer
from crossrt.exporters.training.qat.model import build
from crossrt.exporters.training.qat.reading import read_network
from crossrt.exporters.training.qat.scales.settling import settled
from crossrt.exporters.training.qat.to_onnx import write_onnx
from crossrt.exporters.training.qat.to_tflite import write_tflite
from crossrt.exporters.training.qat.trained import write_trained

RANDOM = np.random.default_rng(0)


def everything():
    """Each layer that is supported, with even and odd sizes, in one graph."""
    image = keras.Input((11, 12, 3), dtype="uint8", name="photo")
    first = layers.Rescaling(1 / 127.5, -1)(image)
    first = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(first)
    first = layers.ReLU(6.0)(layers.BatchNormalization()(first))
    deep = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="deep")(first)
    deep = layers.LeakyReLU(negative_slope=0.1)(layers.BatchNormalization()(deep))
    split = layers.SeparableConv2D(8, 3, padding="same", activation="relu")(deep)
    total = layers.Activation("relu")(layers.Add()([first, split, split]))
    means = layers.AveragePooling2D(3, strides=1)(layers.ZeroPadding2D()(deep))
    joined = layers.Concatenate()([total, means])
    joined = layers.ZeroPadding2D(((1, 0), (0, 1)))(joined)
    inner_input = keras.Input(tuple(joined.shape[1:]))
    inner = keras.Sequential(
        [inner_input, layers.MaxPooling2D(2, padding="same"), layers.Conv2D(6, 2, dilation_rate=2), layers.Dropout(0.1)]
    )
    found = layers.BatchNormalization()(layers.ReLU()(inner(joined)))  # a norm with nothing to be folded into
    branch = layers.Conv2D(6, 1, name="branch")(found)
    found = layers.Add()([layers.ReLU(name="gate")(branch), branch])
    sides = layers.Concatenate()([layers.GlobalAveragePooling2D()(found), layers.GlobalMaxPooling2D()(found)])
    flat = layers.Flatten()(layers.Reshape((2, 2, -1))(layers.Conv2D(4, 2, strides=2, padding="same")(found)))
    both = layers.Concatenate()([sides, flat])
    return keras.Model(image, layers.Dense(5, activation="softmax", name="classes")(both))


def islands():
    """Layers and activations that stay in float, and functions with a range of their own, between quantized layers."""
    image = keras.Input((8, 8, 3), name="image")
    found = layers.Conv2D(6, 3, padding="same", use_bias=False)(image)
    found = layers.Activation("silu", name="swish")(layers.BatchNormalization()(found))
    gate = layers.Dense(6, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D()(found))
    found = layers.Multiply(name="gated")([found, layers.Reshape((1, 1, 6))(gate)])
    found = layers.LayerNormalization(name="norm")(layers.Conv2D(4, 3, activation="tanh", name="bend")(found))
    found = layers.UnitNormalization(name="unit")(found)  # nothing is quantized between the two
    hidden = layers.Dense(8, activation="gelu", name="hidden")(layers.Flatten()(found))
    for function in ("silu", "elu", "softplus"):  # nor between these
        hidden = layers.Activation(function, name=f"then_{function}")(hidden)
    return keras.Model(image, layers.Dense(4, name="scores")(hidden))


def halves():
    """Means of even numbers of values in windows of one size, a norm and a ReLU behind one of them."""
    image = keras.Input((12, 12, 2), name="image")
    found = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    found = layers.BatchNormalization()(layers.AveragePooling2D(2, name="quarter")(found))
    found = layers.ReLU()(layers.AveragePooling2D((2, 3), strides=1, name="sixth")(layers.Conv2D(6, 1)(found)))
    found = layers.AveragePooling2D((5, 4), padding="same", name="twentieth")(found)  # nothing is padded
    return keras.Model(image, layers.Dense(3, name="scores")(layers.Flatten()(found)))


def means():
    """Windows of 1, 2 and 4 values, which often lie in the middle between two integers."""
    image = keras.Input((7, 7, 1), name="image")
    found = layers.AveragePooling2D(2, padding="same")(layers.Conv2D(4, 3, padding="same", activation="relu")(image))
    return keras.Model(image, layers.Dense(3, activation="sigmoid", name="tags")(layers.Flatten()(found)))


def residual():
    """Blocks with identity and projected shortcuts, whose scales have to suit each other."""

    def norm(found, filters, size, strides=1):
        found = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(found)
        return layers.BatchNormalization()(found)

    image = keras.Input((12, 12, 3), name="image")
    found = layers.ReLU()(norm(image, 8, 3))
    for filters, strides in ((8, 1), (8, 1), (16, 2), (16, 1), (24, 2)):
        inner = norm(layers.ReLU()(norm(found, filters, 3, strides)), filters, 3)
        shortcut = found if strides == 1 else norm(found, filters, 1, strides)
        found = layers.ReLU()(layers.Add()([shortcut, inner]))
    return keras.Model(image, layers.Dense(10, name="scores")(layers.GlobalAveragePooling2D()(found)))


def grouped():
    """Convolutions of groups of channels, as in ResNeXt."""
    image = keras.Input((9, 9, 4), name="image")
    found = layers.Conv2D(8, 3, groups=2, padding="same", use_bias=False, name="pairs")(image)
    found = layers.ReLU()(layers.BatchNormalization()(found))
    found = layers.Conv2D(12, 3, strides=2, groups=4, activation="relu", name="fours")(found)
    return keras.Model(image, layers.Dense(5, name="scores")(layers.Flatten()(found)))


def heads():
    """Three outputs: an image, which another head reads, a row of numbers, and one of these again."""
    image = keras.Input((8, 8, 3), name="image")
    mask = layers.Conv2D(4, 3, padding="same", activation="relu", name="mask")(image)
    classes = layers.Dense(5, name="classes")(layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3)(mask)))
    return keras.Model(image, {"mask": mask, "classes": classes, "again": layers.Identity(name="again")(classes)})


def write_heads(folder):
    serving = keras_serving(heads(), "heads")
    trainable = build(read_network(serving.keras_model, "heads", is_trained=False), 8, 0)
    samples = RANDOM.normal(0, 1, (64, 8, 8, 3)).astype("float32")
    with trainable.calibrating("minmax"):
        trainable.model([samples])
    frozen = freeze(trainable)
    write_onnx(frozen, serving.inputs, serving.outputs, folder / "heads.onnx")
    write_tflite(frozen, serving.inputs, serving.outputs, folder / "heads.tflite")
    write_trained(frozen, folder / "heads.json")
    answers = trainable.model([samples])[: len(serving.outputs)]
    fakes = {each.name: answer.numpy() for each, answer in zip(serving.outputs, answers, strict=True)}
    np.savez(folder / "heads.npz", samples=samples, **fakes)


def four_bits():
    """A dense network with a channel of tiny weights, and one of none."""
    dense = layers.Dense(8, activation="relu", name="hidden")
    model = keras.Sequential([keras.Input((6,), name="table"), dense, layers.Dense(2, name="numbers")])
    kernel = RANDOM.normal(0, 1, (6, 8)).astype("float32")
    kernel[:, 1] *= 1e-7
    kernel[:, 2] = 0
    dense.set_weights([kernel, RANDOM.normal(0, 1, 8).astype("float32")])
    return model


def randomized(model):
    """Moving averages that a folded norm has to heed."""
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            size = layer.gamma.shape
            low, high = (RANDOM.uniform(*ends, size).astype("float32") for ends in ((0.5, 1.5), (0.5, 2)))
            layer.set_weights([low, RANDOM.normal(0, 0.3, size), RANDOM.normal(0, 0.3, size), high])
    return model


def write(name, model, bits, folder):
    serving = keras_serving(randomized(model), name)
    network = read_network(serving.keras_model, name)
    trainable = build(network, bits, 0)
    (spec,) = serving.inputs
    shape = (256, *spec.shape[1:])
    samples = RANDOM.integers(0, 256, shape, np.uint8) if spec.dtype == "uint8" else RANDOM.normal(0, 1, shape)
    samples = samples.astype(spec.dtype)
    with trainable.calibrating():
        expected = trainable.model([samples])[0].numpy()
    frozen = freeze(trainable)
    write_onnx(frozen, serving.inputs, serving.outputs, folder / f"{name}.onnx")
    write_tflite(frozen, serving.inputs, serving.outputs, folder / f"{name}.tflite")
    write_trained(frozen, folder / f"{name}.json")
    again = build(network_of(described(network)), bits, 0).model
    again.set_weights(trainable.model.get_weights())
    answers = {"fake": trainable.model([samples])[0].numpy(), "float": model(samples).numpy(), "folded": expected}
    answers["described"] = again([samples])[0].numpy()
    step = frozen.steps[frozen.outputs[0]].affine.scale
    np.savez(folder / f"{name}-steps.npz", **trainable.integers([samples[:32]]))
    np.savez(folder / f"{name}.npz", samples=samples, step=step, notes=np.array(network.notes), **answers)


def shared_layer():
    same, first = layers.Dense(4, name="twice"), keras.Input((4,))
    return keras.Model(first, same(same(first)))


def refused():
    first, image, rows = keras.Input((4,)), keras.Input((8, 8, 2)), keras.Input((5, 2))

    class Subclassed(keras.Model):
        def call(self, tensor):
            return tensor

    yield "shared", shared_layer()
    yield "subclassed", Subclassed()
    yield "lambda", keras.Model(first, layers.Lambda(lambda each: each + 1, name="own")(layers.Dense(4)(first)))
    yield "loops", keras.Model(rows, layers.LSTM(3, name="memory")(rows))
    yield "operation", keras.Model(first, 2 * layers.Dense(4)(first))
    yield "custom activation", keras.Model(first, layers.Dense(4, activation=lambda each: each, name="smooth")(first))
    yield "two outputs", keras.Model(first, [layers.Dense(2)(first), layers.Dense(3)(first)])
    yield "any size", keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3)])
    yield "integers", keras.Sequential([keras.Input((4,), dtype="int32", name="numbers"), layers.Dense(4)])
    yield "nothing", keras.Sequential([image, layers.AveragePooling2D(2), layers.ReLU()])


def always_zero():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="dead"), layers.Dense(2)])
    model.layers[0].set_weights([np.zeros((4, 3)), np.full(3, -1)])
    trainable = build(read_network(model, "dead"), 8, 0)
    with trainable.calibrating():
        trainable.model([np.ones((8, 4), np.float32)])
    trainable.check_ranges()


def learned():
    """How ranges move that are learned: too wide ones, whose rounding errors are all that the loss is made of."""
    model = keras.Sequential([keras.Input((6,), name="table"), layers.Dense(4, activation="relu", name="hidden")])
    trainable = build(read_network(model, "own"), 8, 0, learns_ranges=True)
    samples = RANDOM.normal(0, 1, (64, 6)).astype(np.float32)
    with trainable.calibrating():
        trainable.model([samples])
    layer = trainable.ranges["hidden"]
    layer.move(affine_of_range(0, 300))
    trainable.begin()
    unmoved = trainable.unmoved()
    wide = layer.affine.scale
    optimizer = keras.optimizers.Adam(0.05)
    expected = model(samples)
    for _ in range(60):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(trainable.model([samples], training=True)[0] - expected))
        variables = [layer.octaves, trainable.calculations["hidden"].kernel]
        optimizer.apply(tape.gradient(loss, [each.value for each in variables]), variables)
    moved = trainable.unmoved()
    before = layer.ends
    with settled(trainable):
        during = float(layer.octaves.numpy())
    return {
        "wide": wide,
        "narrow": layer.affine.scale,
        "unmoved": [unmoved, moved],
        "octaves": [float(before[2]), during, float(layer.octaves.numpy())],
    }


def kernels():
    """Integers of kernels next to the middle between two: one by one, in a graph, and of the grid they are on."""
    found = {}
    for bits in (4, 8):
        most = largest_integer(bits)
        middles = np.clip(RANDOM.integers(-most, most, (3, 3, 8, 16)) + 0.5, -most, most)
        middles[0, 0, 0] = most  # so that scales are those below
        scales = RANDOM.uniform(1e-3, 1e-1, 16)
        nearby = 1 + RANDOM.integers(-2, 3, middles.shape) * 2.0**-24
        kernel = tf.Variable((middles * scales * nearby).astype(np.float32))
        values, own = kernel.value(), kernel_scales(kernel.value(), bits, is_depthwise=False)
        graph = tf.function(lambda kernel=kernel, bits=bits: integer_kernel(kernel.value(), bits, is_depthwise=False))
        found[f"{bits} one by one"] = integer_kernel(values, bits, is_depthwise=False).numpy()
        found[f"{bits} graph"] = graph().numpy()
        found[f"{bits} grid"] = np.rint(quantized_kernel(values, bits, is_depthwise=False).numpy() / own.numpy())
    return found


def main(folder):
    keras.utils.set_random_seed(0)
    write("everything", everything(), 8, folder)
    write("four_bits", four_bits(), 4, folder)
    write("means", means(), 8, folder)
    write("islands", islands(), 8, folder)
    write("residual", residual(), 8, folder)
    write("halves", halves(), 8, folder)
    write("grouped", grouped(), 8, folder)
    write_heads(folder)
    np.savez(folder / "kernels.npz", **kernels())
    (folder / "learned.json").write_text(json.dumps(learned()))
    said = {}
    for name, model in refused():
        try:
            read_network(model, "own.keras")
        except CrossrtError as error:
            said[name] = str(error)
    try:
        always_zero()
    except CrossrtError as error:
        said["always zero"] = str(error)
    (folder / "refusals.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
