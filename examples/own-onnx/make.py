"""Makes a small float ONNX classifier with test and calibration data: a stand-in for a model and data of your own."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, HIDDEN, CLASSES = 128, 512, 10


def relu(x):
    return np.maximum(x, 0)


random = np.random.default_rng(0)
centres = random.normal(size=(CLASSES, FEATURES))
labels = random.integers(0, CLASSES, 6_000)
features = (centres[labels] + 2 * random.normal(size=(6_000, FEATURES))).astype(np.float32)

# two random layers, and a last one that least squares fits to the first 3,000 samples
w1 = random.normal(scale=FEATURES**-0.5, size=(FEATURES, HIDDEN)).astype(np.float32)
w2 = random.normal(scale=HIDDEN**-0.5, size=(HIDDEN, HIDDEN)).astype(np.float32)
hidden = relu(relu(features[:3_000] @ w1) @ w2)
w3 = np.linalg.lstsq(hidden, np.eye(CLASSES)[labels[:3_000]], rcond=None)[0].astype(np.float32)

graph = helper.make_graph(
    [
        helper.make_node("MatMul", ["features", "w1"], ["a1"], "dense_1"),
        helper.make_node("Relu", ["a1"], ["h1"], "relu_1"),
        helper.make_node("MatMul", ["h1", "w2"], ["a2"], "dense_2"),
        helper.make_node("Relu", ["a2"], ["h2"], "relu_2"),
        helper.make_node("MatMul", ["h2", "w3"], ["logits"], "dense_3"),
    ],
    "own",
    [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", FEATURES])],
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
    [numpy_helper.from_array(array, name) for name, array in {"w1": w1, "w2": w2, "w3": w3}.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, "own.onnx")

np.savez("train.npz", features=features[:1_000])  # what quantizers are calibrated with; no labels are needed
np.savez("test.npz", features=features[3_000:], labels=labels[3_000:])
