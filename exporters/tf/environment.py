"""What must be set before Keras and TensorFlow are imported; importing this sets it."""

from __future__ import annotations

import os

from crossrt.exporters.tf.lean_keras import LeanKeras

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = f"{os.devnull}/keras"  # a keras.json of the user's would change dtypes and layouts
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
LeanKeras.install()
