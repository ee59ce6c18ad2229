"""What must be set before Keras is imported where something is trained; importing this sets it.

Whoever starts the process names the backend in KERAS_BACKEND.
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["KERAS_HOME"] = f"{os.devnull}/keras"  # a keras.json of the user's would change dtypes and layouts
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
