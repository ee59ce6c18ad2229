"""The interpreter that the TFLite converter calibrates with: its kernels, not LiteRT's, saw the ranges of a file.

Both come from one source, but are compiled apart: their sums can differ in the last bit.
"""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any, Final

_THREADS: Final = 4
"""What TensorFlow's kernels take where nobody names a number, as the converter does not: sums are cut by it."""


def has_converter() -> bool:
    """True if TensorFlow is installed; it is not imported for that."""
    return importlib.util.find_spec("tensorflow") is not None


def converter_interpreter(path: Path) -> Any:
    """An interpreter like LiteRT's, without delegates, that keeps every tensor; nothing is allocated yet.

    Raises:
        ValueError: The file is damaged.
    """
    from crossrt.exporters.tf import environment  # noqa: F401 - before TensorFlow

    import tensorflow as tf  # isort: skip

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated for running models, which is not what it is for here
        return tf.lite.Interpreter(
            model_path=str(path),
            num_threads=_THREADS,
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
