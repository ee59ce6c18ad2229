"""Writes `faulty.onnx`, `test.npz` and `train.npz`: a classifier with one layer that does not survive int8 weights.

Two inputs of that layer are always equal, and their weights of +500 and -500 cancel. In 8 bits, per tensor or per
channel, a step of such a row is 4, so that every other weight rounds to nothing.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, WIDTH, LAYERS, FAULTY, CLASSES = 128, 384, 5, 3, 10
rng = np.random.default_rng(0)


def weights(rows, columns):
    return (rng.standard_normal((rows, columns)) * np.sqrt(2 / rows)).astype(np.float32)


layers = [[weights(FEATURES if place == 0 else WIDTH, WIDTH), np.zeros(WIDTH, np.float32)] for place in range(LAYERS)]
layers[FAULTY - 1][0][:, 1] = layers[FAULTY - 1][0][:, 0]
layers[FAULTY][0][0], layers[FAULTY][0][1] = 500, -500
layers.append([weights(WIDTH, CLASSES), np.zeros(CLASSES, np.float32)])


def answers(samples):
    """The float answers, in numpy: the equal inputs of the faulty layer are left out, as they cancel."""
    for place, (kernel, bias) in enumerate(layers):
        start = 2 if place == FAULTY else 0
        samples = samples[:, start:] @ kernel[start:] + bias
        samples = np.maximum(samples, 0) if place < LAYERS else samples
    return samples


drawn = rng.standard_normal((24_000, FEATURES)).astype(np.float32)
layers[-1][1] = -answers(drawn).mean(axis=0)  # no class is more likely than another
found = answers(drawn)
best = np.sort(found, axis=1)[:, -2:]
clear = rng.permutation(np.argsort(best[:, 0] - best[:, 1])[:10_000])
noisy = rng.random(10_000) < 0.03
labels = np.where(noisy, rng.integers(0, CLASSES, 10_000), found[clear].argmax(axis=1))
np.savez("test.npz", features=drawn[clear], labels=labels)
np.savez("train.npz", features=rng.standard_normal((1_000, FEATURES)).astype(np.float32))

nodes, constants, value = [], [], "features"
for place, (kernel, bias) in enumerate(layers):
    constants += [numpy_helper.from_array(kernel, f"w{place}"), numpy_helper.from_array(bias, f"b{place}")]
    given = "logits" if place == LAYERS else f"sum{place}"
    nodes.append(helper.make_node("Gemm", [value, f"w{place}", f"b{place}"], [given], name=f"dense_{place}"))
    if place < LAYERS:
        value = f"hidden{place}"
        nodes.append(helper.make_node("Relu", [given], [value], name=f"relu_{place}"))
graph = helper.make_graph(
    nodes,
    "faulty",
    [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", FEATURES])],
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
    constants,
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "faulty.onnx")
