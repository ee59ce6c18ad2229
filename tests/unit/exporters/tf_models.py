"""Exports small models of many kinds and compares what the files answer: `python tf_models.py FOLDER`.

All in one process, as TensorFlow starts slowly. Writes `results.json`: for each model its inputs, outputs, notes,
preprocessing, and for each format the specs of the file and its largest error, or why it was refused.
"""

import json
import sys
from pathlib import Path

from crossrt.exporters.tf import environment as environment

import keras  # isort: skip
import numpy as np  # isort: skip
import onnx  # isort: skip
import onnxruntime  # isort: skip
import tensorflow as tf  # isort: skip
from ai_edge_litert.interpreter import Interpreter  # isort: skip
from keras import layers  # isort: skip

from crossrt.core.tensor import described
from crossrt.exporters.calibration import Calibration
from crossrt.exporters.errors import ExportError
from crossrt.exporters.inspect import inspect_model
from crossrt.exporters.recipes.recipe import TfliteStatic
from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs
from crossrt.exporters.tf.serving import load_serving
from crossrt.exporters.tf.to_onnx import export_onnx
from crossrt.exporters.tf.to_tflite import export_tflite

RANDOM = np.random.default_rng(0)


def two_inputs_two_outputs():
    left, right = keras.Input((4,), name="left"), keras.Input((), dtype="int64", name="right")
    hidden = layers.Dense(8, activation="relu")(layers.Concatenate()([left, layers.Embedding(10, 3)(right)]))
    outputs = {"score": layers.Dense(1)(hidden), "aux.2": layers.Dense(2)(hidden)}
    return keras.Model({"left": left, "right": right}, outputs)


def lstm():
    series = keras.Input((6, 4), name="series")
    hidden = layers.LSTM(8, return_sequences=True)(series)
    return keras.Model(series, layers.Dense(3, name="out")(layers.GRU(5)(hidden)))


def transformer():
    image = keras.Input((16, 16, 3), name="image")
    tokens = layers.Reshape((16, 16))(layers.Conv2D(16, 4, strides=4)(image))
    normal = layers.LayerNormalization()(tokens)
    tokens = layers.Add()([tokens, layers.MultiHeadAttention(2, 8)(normal, normal)])
    hidden = layers.Dense(32, activation="gelu")(layers.LayerNormalization()(tokens))
    tokens = layers.Add()([tokens, layers.Dense(16)(hidden)])
    return keras.Model(image, layers.Dense(5, name="logits")(layers.GlobalAveragePooling1D()(tokens)))


def normalization():
    normalize = layers.Normalization()
    normalize.adapt(RANDOM.normal(3, 2, (100, 6)).astype("float32"))
    return keras.Sequential([keras.Input((6,), name="table"), normalize, layers.Dense(1, name="price")])


def any_size():
    image = keras.Input((None, None, 3), dtype="uint8", name="image")
    hidden = layers.Conv2D(8, 3, activation="relu")(layers.Rescaling(1 / 255)(image))
    return keras.Model(
        image, layers.Dense(5, name="logits")(layers.GlobalMaxPooling2D()(layers.BatchNormalization()(hidden)))
    )


def mixed():
    keras.config.set_dtype_policy("mixed_float16")
    stack = [keras.Input((8, 8, 3), name="image"), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3, name="out")]
    model = keras.Sequential(stack)
    keras.config.set_dtype_policy("float32")
    return model


def fixed_batch():
    image = keras.Input(batch_shape=(2, 8, 8, 3), name="image")
    return keras.Model(image, layers.Dense(3, name="out")(layers.Flatten()(image)))


def double():
    keras.config.set_dtype_policy("float64")
    stack = [keras.Input((6, 4), name="table"), layers.SimpleRNN(8), layers.Dense(3, name="out")]
    model = keras.Sequential(stack)
    keras.config.set_dtype_policy("float32")
    return model


def quantized_by_keras():
    model = keras.Sequential([keras.Input((16,), name="x"), layers.Dense(8, name="eight"), layers.Dense(3)])
    model.quantize("int8")
    return model


def infinite():
    model = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(3, name="broken")])
    model.layers[0].set_weights([np.full((4, 3), np.inf), np.zeros(3)])
    return model


def not_a_number():
    model = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(3, name="broken")])
    model.layers[0].set_weights([np.full((4, 3), np.nan), np.zeros(3)])
    return model


def unsupported():
    signal = keras.Input((8,), name="signal")
    real, _ = keras.ops.fft((signal, signal * 0))
    return keras.Model(signal, layers.Dense(2, name="out")(real))


MODELS = [
    two_inputs_two_outputs,
    lstm,
    transformer,
    normalization,
    any_size,
    mixed,
    fixed_batch,
    double,
    quantized_by_keras,
    infinite,
    not_a_number,
    unsupported,
]


def feeds_of(specs, batch):
    """Random inputs; other dynamic dimensions have 9 entries."""
    feeds = {}
    for spec in specs:
        shape = [size if isinstance(size, int) else batch if size == "batch" else 9 for size in spec.shape]
        values = RANDOM.integers(0, 9, shape) if "int" in spec.dtype else RANDOM.normal(size=shape)
        feeds[spec.name] = np.asarray(values, dtype=spec.dtype)
    return feeds


def run_onnx(path, feeds, names):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, feeds), strict=True))


def run_tflite(path, feeds, _):
    return Interpreter(model_path=str(path)).get_signature_runner("serve")(**feeds)


def attempt(export, specs_of, run, serving, path):
    """The specs of the file and its largest error, relative to the largest answer; or the refusal."""
    try:
        export(serving, path)
    except ExportError as error:
        return {"refused": str(error)}
    inputs, outputs = specs_of(path)
    batch = 1 if any(spec.shape[0] == 1 for spec in inputs) else 3
    feeds = feeds_of(serving.inputs, batch)
    exact, found = serving.predict(feeds), run(path, feeds, [spec.name for spec in outputs])
    error = max(float(np.abs(found[name] - exact[name]).max() / np.abs(exact[name]).max()) for name in exact)
    return {"inputs": [*map(described, inputs)], "outputs": [*map(described, outputs)], "error": error}


def examine(path, folder):
    found = inspect_model(path)
    serving = load_serving(path, found.kind)
    return {
        "model": found.model,
        "kind": found.kind,
        "inputs": [*map(described, found.inputs)],
        "outputs": [*map(described, found.outputs)],
        "notes": found.notes,
        "preprocessing": found.preprocessing,
        "expects": [(each.minimum, each.maximum) for each in found.expected_ranges],
        "weights": found.weight_bytes,
        "operators": found.operators,
        "onnx": attempt(export_onnx, onnx_specs, run_onnx, serving, folder / f"{path.stem}.onnx"),
        "tflite": attempt(
            lambda serving, path: export_tflite(serving, path, None),
            tflite_specs,
            run_tflite,
            serving,
            folder / f"{path.stem}.tflite",
        ),
    }


class Plain(tf.Module):
    """Code that is not Keras, with two signatures."""

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(RANDOM.normal(size=(4, 3)).astype("float32"), name="weights")

    @tf.function(input_signature=[tf.TensorSpec((None, 4), name="x"), tf.TensorSpec((None,), name="offset")])
    def first(self, x, offset):
        found = x @ self.weights
        return {"scores": found + offset[:, None], "best": tf.argmax(found, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec((None, 4), name="x")])
    def second(self, x):
        return {"y": x}


@keras.saving.register_keras_serializable("mine")
class SubClassed(keras.Model):
    """A model whose graph is in its code."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)


@keras.saving.register_keras_serializable("mine")
class Doubled(layers.Layer):
    def call(self, x):
        return x * 2


def refusals(folder):
    """Why models that cannot be used are refused."""
    x, text = keras.Input((4,), name="x"), keras.Input((), dtype="string", name="text")
    reader = layers.TextVectorization(output_sequence_length=4)
    reader.adapt(["a b c"])
    models = {
        "lambda": keras.Model(x, layers.Lambda(lambda t: t * 2)(x)),
        "custom": keras.Model(x, Doubled()(x)),
        "unbuilt": keras.Sequential([layers.Dense(3)]),
        "text": keras.Model(text, layers.Embedding(10, 3)(reader(text))),
    }
    own = SubClassed()
    own(np.zeros((1, 4), dtype=np.float32))
    models["sub-classed"] = own
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    keras.saving.get_custom_objects().clear()
    found = {name: refusal(lambda name=name: inspect_model(folder / f"{name}.keras")) for name in models}
    keras.Model(x, layers.Dense(3)(x)).save(folder / "legacy.h5")
    keras.Model(x, layers.Dense(3)(x)).save_weights(folder / "only.weights.h5")
    found["h5"] = refusal(lambda: inspect_model(folder / "legacy.h5"))
    found["allowed h5"] = [*inspect_model(folder / "legacy.h5", allow_h5=True).notes]
    found["weights"] = refusal(lambda: inspect_model(folder / "only.weights.h5", allow_h5=True))
    recurrent = load_serving(folder / "lstm.keras", "keras")
    data = np.zeros((4, 6, 4), dtype=np.float32)
    calibration = Calibration(ArrayData({"series": data}), None, recurrent.inputs, recurrent.batching)
    found["loops"] = refusal(lambda: export_tflite(recurrent, folder / "x.tflite", TfliteStatic(), calibration))
    found["no calibration"] = refusal(lambda: export_tflite(recurrent, folder / "x.tflite", TfliteStatic()))
    return found


class ArrayData:
    name = "arrays"

    def __init__(self, arrays):
        self.arrays = arrays

    def __len__(self):
        return min(map(len, self.arrays.values()))


def refusal(work):
    try:
        work()
    except ExportError as error:
        return str(error)
    return "not refused"


def main():
    folder = Path(sys.argv[1])
    results = {}
    for build in MODELS:
        keras.utils.set_random_seed(0)
        path = folder / f"{build.__name__}.keras"
        build().save(path)
        results[build.__name__] = examine(path, folder)
    plain = Plain()
    tf.saved_model.save(plain, str(folder / "plain.v1"), {"serving_default": plain.first, "other": plain.second})
    results["saved_model"] = examine(folder / "plain.v1", folder)
    keras.saving.load_model(folder / "transformer.keras").export(folder / "exported", verbose=False)
    results["exported"] = examine(folder / "exported", folder)
    results["refusals"] = refusals(folder)
    (folder / "results.json").write_text(json.dumps(results))


main()
