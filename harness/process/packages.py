"""What building processes need: packages that must be installed, and a quiet environment."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection, Mapping

from crossrt.core.install import BACKENDS, install_command
from crossrt.harness.errors import HarnessError

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "ORT_DISABLE_TELEMETRY": "1",
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": f"{os.devnull}/keras",  # a keras.json of the user's would change dtypes and layouts
}

_NEEDED: Mapping[str, str] = {
    **{str(module): package for module, package in BACKENDS.items()},
    "keras": "keras",
    "tf2onnx": "tf2onnx",
    "onnx": "onnx",
    "onnxslim": "onnxslim",
    "onnx_ir": "onnx-ir",
    "sympy": "sympy",
    "onnxruntime": "onnxruntime",
    "ai_edge_litert": "ai-edge-litert",
}


BUILDING = ("tensorflow", "tf2onnx", "onnx", "onnxslim", "onnx_ir", "sympy", "onnxruntime", "ai_edge_litert")
"""Packages that a process which converts models may need."""

READING = ("onnx", "onnxruntime", "ai_edge_litert", "sympy")
"""Packages that a process which looks into model files may need."""

AUDITING: Mapping[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxruntime", "sympy"),
    "tflite": ("onnx", "onnxruntime", "ai_edge_litert", "sympy"),
}
"""Packages that a process which audits a file needs, by its format."""

QUANTIZING = ("onnx", "onnx_ir", "onnxruntime", "sympy")
"""Packages that a process which quantizes ONNX files needs."""

QUANTIZING_TFLITE = ("onnx", "ai_edge_litert")
"""Packages that a process which quantizes TFLite files needs; TensorFlow beside them where it calibrates."""

INSPECTING: Mapping[str, tuple[str, ...]] = {
    "onnx": ("onnx",),
    "tflite": ("onnx", "ai_edge_litert"),
    "openvino-ir": (),
}
"""Packages that a process which says what a file is needs, by its kind; all of `BUILDING` for other kinds."""


def check_packages(purpose: str, modules: Collection[str] = BUILDING) -> None:
    """Raises `HarnessError` with the install command where a package that a purpose needs is missing."""
    missing = [_NEEDED[module] for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise HarnessError(f"{purpose} needs {', '.join(missing)}, not installed here: {install_command(*missing)}")
