"""Quantizes small TFLite files and lets TensorFlow's converter do the same: `python quantizing.py FOLDER`.

All in one process, as TensorFlow starts slowly. Leaves the files in the folder, and `refusals.json` beside them.
"""

import json
import sys
from pathlib import Path

from crossrt.exporters.tf import environment as environment

import numpy as np  # isort: skip
import tensorflow as tf  # isort: skip

from crossrt.core.tensor import batching_of
from crossrt.datasets.fitting import fit
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.exporters.calibration import Calibration
from crossrt.exporters.errors import ExportError
from crossrt.exporters.quantizers.tflite.flatbuffer import FlatModel
from crossrt.exporters.quantizers.tflite.static import to_static
from crossrt.exporters.recipes.recipe import TfliteStatic
from crossrt.exporters.tensor_specs import tflite_specs

RANDOM = np.random.default_rng(0)
CONFORMANCE = Path(__file__).parents[4] / "runtimes" / "conformance" / "models"
STATIC = {
    "int8": TfliteStatic(calibration_samples=24),
    "int8-io": TfliteStatic(calibration_samples=24, io_type="int8"),
    "int16x8": TfliteStatic(calibration_samples=24, activation_type="int16"),
}


def weights(*shape):
    return tf.constant(RANDOM.normal(0, 0.2, shape).astype("float32"))


class Net(tf.Module):
    """Every kind of operator whose weights the converter makes int8, and one that is too small."""

    def __init__(self):
        super().__init__()
        self.conv, self.depthwise, self.transposed = weights(3, 3, 8, 24), weights(7, 7, 24, 1), weights(3, 3, 12, 24)
        self.dense, self.table, self.small = weights(12, 100), weights(300, 8), weights(100, 5)

    @tf.function(
        input_signature=[tf.TensorSpec((1, 12, 12, 8), name="image"), tf.TensorSpec((1, 4), tf.int32, name="words")]
    )
    def serve(self, image, words):
        hidden = tf.nn.relu(tf.nn.conv2d(image, self.conv, 1, "SAME"))
        hidden = tf.nn.depthwise_conv2d(hidden, self.depthwise, [1, 1, 1, 1], "SAME")
        hidden = tf.nn.conv2d_transpose(hidden, self.transposed, (1, 12, 12, 12), 1)
        hidden = tf.reduce_mean(hidden, (1, 2)) @ self.dense
        return {"scores": tf.nn.relu(hidden) @ self.small, "words": tf.gather(self.table, words) * 2}


def convert(net, path, **settings):
    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.serve.get_concrete_function()], net)
    for name, value in settings.items():
        setattr(converter, name, value)
    path.write_bytes(converter.convert())


def calibration(path):
    """As many random samples as `STATIC` asks for, in the names of the file's inputs."""
    inputs, dimensions = tflite_specs(path)[0], {"state[1]": 1}
    dataset = open_dataset(DataRequest(reference="random", limit=24, seed=0, dimensions=dimensions), inputs)
    return Calibration(dataset, fit(dataset, inputs, batching_of(inputs), dimensions), inputs, batching_of(inputs))


def main():
    folder = Path(sys.argv[1])
    net = Net()
    convert(net, folder / "net.tflite")
    optimized = [tf.lite.Optimize.DEFAULT]
    convert(net, folder / "net.dynamic.tflite", optimizations=optimized)
    per_tensor = {
        "_experimental_disable_per_channel": True,
        "_experimental_disable_per_channel_quantization_for_dense_layers": True,
    }
    convert(net, folder / "net.dynamic-per-tensor.tflite", optimizations=optimized, **per_tensor)
    refusals = {}
    for name in ("image", "state", "pair", "signatures", "unsigned", "fixed", "empty"):
        path = CONFORMANCE / f"{name}.fp32.tflite" / "model.tflite"
        for recipe, settings in STATIC.items():
            try:
                content = to_static(FlatModel(path), settings, calibration(path))
                (folder / f"{name}.{recipe}.tflite").write_bytes(content)
            except ExportError as error:
                refusals[f"{name}.{recipe}"] = str(error)
    (folder / "refusals.json").write_text(json.dumps(refusals))


main()
